// The first page: a card and a count, and what of the catalogue runs there.
import { rememberCard, remembered, wrongCard } from "./card.js";
import { catalogue, json } from "./data.js";
import { el, failure, link, modelHref } from "./dom.js";
import * as format from "./format.js";
import { table } from "./table.js";
import { LABELS, RUNS, SHORTER, SIGNS, TIGHT, UNKNOWN, badge, best, remark } from "./verdict.js";

const form = document.getElementById("ask");
const answer = document.getElementById("answer");
const meter = document.getElementById("meter");
const legend = document.getElementById("legend");
const results = document.getElementById("results");
const order = {};

function fromAddress() {
  const asked = new URLSearchParams(location.search);
  if (!asked.has("gpu")) for (const [name, value] of Object.entries(remembered())) asked.set(name, value);
  for (const name of ["gpu", "count", "show", "category", "q"]) {
    const field = form.elements[name];
    if (!asked.has(name)) continue;
    const before = field.value;
    field.value = asked.get(name);
    if (field.tagName === "SELECT" && field.selectedIndex < 0) field.value = before;
  }
  for (const box of form.querySelectorAll("[name=can]")) box.checked = (asked.get("can") ?? "").includes(box.value);
  order.sort = asked.get("sort") ?? undefined;
  order.descending = asked.get("desc") === "1";
}

function asked() {
  const value = (name) => form.elements[name].value;
  const can = [...form.querySelectorAll("[name=can]:checked")].map((box) => box.value).join("");
  return { gpu: value("gpu"), count: Number(value("count")), show: value("show"), category: value("category"), q: value("q").trim().toLowerCase(), can };
}

function toAddress(want) {
  const query = new URLSearchParams({ gpu: want.gpu, count: want.count });
  for (const name of ["category", "q", "can"]) if (want[name]) query.set(name, want[name]);
  if (want.show !== "runs") query.set("show", want.show);
  if (order.sort) query.set("sort", order.sort);
  if (order.sort && order.descending) query.set("desc", "1");
  history.replaceState(null, "", `?${query}`);
}

function matches(model, want, known) {
  if (want.category && model.category !== want.category) return false;
  for (const letter of want.can) if (!model.abilities.includes(letter)) return false;
  if (!want.q) return true;
  model.haystack ??= [model.id, model.name, model.lab, model.license, ...model.fitted.map((place) => known.variants[place].id)].join(" ").toLowerCase();
  return want.q.split(/\s+/).every((word) => model.haystack.includes(word));
}

const byName = { key: "name", label: "Model", sort: (row) => row.model.name.toLowerCase() };
const size = { key: "size", label: "Size", numeric: true, cell: ({ model }) => sizeOf(model), sort: ({ model }) => model.parameters, first: "desc" };
const price = {
  key: "price", label: "API, $/M tokens", numeric: true, class: "price",
  cell: ({ model }) => (model.price_input === null ? format.DASH : `${format.usd(model.price_input)} / ${format.usd(model.price_output)}`),
  sort: ({ model }) => (model.price_input === null ? null : model.price_input + model.price_output),
};

function sizeOf(model) {
  if (model.active === null || model.active === model.parameters) return format.parameters(model.parameters);
  return el("span", {}, format.parameters(model.parameters), el("small", {}, `${format.parameters(model.active)} active`));
}

function nameCell(model, below, card) {
  return el("span", { class: "name" }, link(modelHref(model.id, card), model.name), el("small", {}, below));
}

const onCard = [
  { ...byName, cell: ({ model, found, card }) => nameCell(model, `${found.variant.id}${found.variant.scheme ? ` · ${found.variant.scheme}` : ""}`, card) },
  size,
  { key: "state", label: "Verdict", cell: ({ found }) => verdictCell(found), sort: ({ found }) => found.state },
  { key: "speed", label: "Tokens/s", numeric: true, first: "desc", cell: ({ found }) => format.range(found.decode_tok_s_low, found.decode_tok_s_high), sort: ({ found }) => found.decode_tok_s_low ?? null },
  { key: "context", label: "Context", numeric: true, first: "desc", cell: ({ found }) => format.tokens(found.context || null), sort: ({ found }) => found.context || null },
  { key: "requests", label: "Requests at once", numeric: true, first: "desc", cell: ({ found }) => format.short(found.max_concurrency || null), sort: ({ found }) => found.max_concurrency ?? null },
  { key: "weights", label: "Weights, GiB/card", numeric: true, cell: ({ found }) => format.short(found.weights_gib), sort: ({ found }) => found.weights_gib ?? null },
  price,
];

const CAN = { t: "tools", r: "reasoning", s: "structured", v: "images", a: "audio" };
const anyCard = [
  { ...byName, cell: ({ model }) => nameCell(model, model.id) },
  size,
  { key: "context", label: "Context", numeric: true, first: "desc", cell: ({ model }) => format.tokens(model.context), sort: ({ model }) => model.context },
  { key: "can", label: "Can", cell: ({ model }) => [...model.abilities].map((letter) => CAN[letter]).join(", ") || format.DASH },
  { key: "release", label: "Released", numeric: true, first: "desc", cell: ({ model }) => model.release_date ?? format.DASH, sort: ({ model }) => model.release_date },
  { key: "license", label: "Licence", cell: ({ model }) => model.license ?? format.DASH, sort: ({ model }) => model.license },
  { key: "offers", label: "Offers", numeric: true, first: "desc", cell: ({ model }) => model.offers || format.DASH, sort: ({ model }) => model.offers },
  price,
];

function verdictCell(found) {
  const why = remark(found, found.variant.context);
  return el("span", {}, badge(found.state), why && el("small", {}, why));
}

const LIMITS = { runs: TIGHT, all: UNKNOWN - 1 };

async function draw(known) {
  const want = asked();
  toAddress(want);
  const whole = want.gpu === "any";
  for (const name of ["count", "show"]) form.elements[name].disabled = whole;
  const wanted = known.models.filter((model) => matches(model, want, known));
  if (whole) return drawWhole(wanted);
  results.setAttribute("aria-busy", "true");
  const fit = await json(`data/fit/${encodeURIComponent(want.gpu)}.json`);
  if (asked().gpu !== want.gpu) return undefined; // the reader went on to another card
  const column = fit.cells[want.count];
  if (!column) return drawAlone();
  const card = { gpu: want.gpu, count: want.count };
  const least = Number(want.show) || 0; // a number asks for so many tokens of context
  const rows = wanted.filter((model) => model.fitted.length).map((model) => ({ model, card, found: best(model, column, want.count, known, least) }));
  drawAnswer(rows, least);
  const shown = rows.filter(({ found }) => (want.show in LIMITS ? found.state <= LIMITS[want.show] : found.state <= SHORTER && found.context >= least));
  const sorted = { sort: order.sort ?? "size", descending: order.sort ? order.descending : true };
  results.removeAttribute("aria-busy");
  results.replaceChildren(shown.length ? table(`${shown.length} models on ${cardName(want)}`, onCard, shown, sorted, remember) : nothing(wanted.length, rows.length));
  return undefined;
}

/** What to do when the table would be empty. */
function nothing(found, judged) {
  const turn = (name, value, text) => el("button", { type: "button", class: "plainlink", onclick: () => {
    form.elements[name].value = value;
    form.elements[name].dispatchEvent(new Event("change", { bubbles: true }));
  } }, text);
  if (judged) return el("p", { class: "note" }, judged === 1 ? "One model matches, and does not run so. " : `${judged} models match, and none runs so. `, turn("show", "all", "Show them and why"), ".");
  if (found) return el("p", { class: "note" }, `The catalogue has ${found === 1 ? "one model" : `${found} models`} like that, without a published fit. `, turn("gpu", "any", "Show them"), ".");
  return el("p", { class: "note" }, "No model of the catalogue is like that. Search for less, or take a filter away.");
}

/** Slices of a card, and machines without a link, are judged one by one. */
function drawAlone() {
  fail(new Error("These cannot work as one, so only a single one is judged. Choose 1 ×."));
}

function drawWhole(wanted) {
  results.removeAttribute("aria-busy");
  meter.replaceChildren();
  legend.replaceChildren();
  answer.replaceChildren(el("strong", {}, wanted.length.toLocaleString("en")), " models, with or without open weights.");
  const sorted = { sort: order.sort ?? "release", descending: order.sort ? order.descending : true };
  const rows = wanted.map((model) => ({ model }));
  results.replaceChildren(rows.length ? table(`${rows.length.toLocaleString("en")} models of the catalogue`, anyCard, rows, sorted, remember) : nothing(0, 0));
}

function remember(state) {
  Object.assign(order, state);
  toAddress(asked());
}

const cardName = (want) => `${want.count} × ${form.elements.gpu.selectedOptions[0].textContent}`;

function drawAnswer(rows, least) {
  const counted = LABELS.map((_, state) => rows.filter((row) => row.found.state === state).length);
  const judged = rows.length - counted[UNKNOWN];
  const enough = rows.filter(({ found }) => found.state <= SHORTER && found.context >= least).length;
  if (!rows.length) answer.replaceChildren(el("strong", {}, "No model"), " matches.");
  else answer.replaceChildren(...(least ? [el("strong", {}, `${enough} of ${judged}`), ` models run with ${format.tokens(least)} tokens of context or more.`] : [el("strong", {}, `${counted[RUNS]} of ${judged}`), ` models run at their full context${counted[TIGHT] ? `, ${counted[TIGHT]} more are tight` : ""}.`]));
  meter.replaceChildren(
    ...counted.map((number, state) => {
      const bar = el("span", { class: `bar state-${state}` });
      bar.style.flexGrow = number;
      bar.hidden = !number;
      return bar;
    }),
  );
  legend.replaceChildren(...counted.map((number, state) => el("li", { class: `state-${state}`, hidden: !number }, el("span", { class: "swatch", "aria-hidden": "true" }, SIGNS[state]), `${number} ${LABELS[state]}`)));
}

async function start() {
  fromAddress();
  try {
    const known = await catalogue();
    form.prepend(wrongCard(known) ?? "");
    const again = () => draw(known).catch(fail);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => {
      const { gpu, count } = asked();
      if (gpu !== "any") rememberCard({ gpu, count });
      return again();
    });
    form.elements.q.addEventListener("input", again);
    await draw(known);
    performance.mark("usable");
  } catch (error) {
    fail(error);
  }
  results.removeAttribute("aria-busy");
}

function fail(error) {
  answer.textContent = "";
  meter.replaceChildren();
  legend.replaceChildren();
  results.removeAttribute("aria-busy");
  results.replaceChildren(failure(error));
}

start();
