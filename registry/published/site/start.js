// The first page: a card and a count, and what of the catalogue runs there.
import { catalogue, json } from "./data.js";
import { el, failure, link, modelHref } from "./dom.js";
import * as format from "./format.js";
import { table } from "./table.js";
import { LABELS, NOT, OFFLOAD, REFUSED, RUNS, SHORTER, TIGHT, UNKNOWN, badge, readCell, remark } from "./verdict.js";

const form = document.getElementById("ask");
const answer = document.getElementById("answer");
const meter = document.getElementById("meter");
const results = document.getElementById("results");
const order = {};

function fromAddress() {
  const asked = new URLSearchParams(location.search);
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

/** The checkpoint of a model that a person with the card would take: running, then most bits, then official. */
function bestOf(model, column, count, known) {
  let best = null;
  for (const place of model.fitted) {
    const variant = known.variants[place];
    const found = { ...readCell(column[place], count, variant, known.cells), variant };
    const rank = [found.state, -(variant.bits ?? 0), variant.official ? 0 : 1, -(variant.downloads ?? 0)];
    if (!best || before(rank, best.rank)) best = { ...found, rank };
  }
  return best;
}

function before(a, b) {
  for (let place = 0; place < a.length; place += 1) if (a[place] !== b[place]) return a[place] < b[place];
  return false;
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
  key: "price", label: "API, $ per M tokens", numeric: true, class: "price",
  cell: ({ model }) => (model.price_input === null ? format.DASH : el("span", { title: "input / output, the cheapest offer that costs something" }, `${format.usd(model.price_input)} / ${format.usd(model.price_output)}`)),
  sort: ({ model }) => (model.price_input === null ? null : model.price_input + model.price_output),
};

function sizeOf(model) {
  if (model.active === null || model.active === model.parameters) return format.parameters(model.parameters);
  return el("span", {}, format.parameters(model.parameters), el("small", {}, `${format.parameters(model.active)} active`));
}

function nameCell(model, below) {
  return el("span", { class: "name" }, link(modelHref(model.id), model.name), el("small", {}, below));
}

const onCard = [
  { ...byName, cell: ({ model, found }) => nameCell(model, `${found.variant.id}${found.variant.scheme ? ` · ${found.variant.scheme}` : ""}`) },
  size,
  { key: "state", label: "Verdict", cell: ({ found }) => verdictCell(found), sort: ({ found }) => found.state },
  { key: "speed", label: "Tokens / s", numeric: true, first: "desc", cell: ({ found }) => format.range(found.decode_tok_s_low, found.decode_tok_s_high), sort: ({ found }) => found.decode_tok_s_low ?? null },
  { key: "context", label: "Context", numeric: true, first: "desc", cell: ({ found }) => format.tokens(found.context || null), sort: ({ found }) => found.context || null },
  { key: "requests", label: "At once", numeric: true, first: "desc", cell: ({ found }) => (found.max_concurrency ? el("span", { title: "requests of that full context" }, format.short(found.max_concurrency)) : format.DASH), sort: ({ found }) => found.max_concurrency ?? null },
  { key: "weights", label: "Weights, GiB a card", numeric: true, cell: ({ found }) => format.short(found.weights_gib), sort: ({ found }) => found.weights_gib ?? null },
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

const LIMITS = { runs: TIGHT, starts: SHORTER, all: UNKNOWN - 1 };

async function draw(known) {
  const want = asked();
  toAddress(want);
  const whole = want.gpu === "any";
  for (const name of ["count", "show"]) form.elements[name].disabled = whole;
  const wanted = known.models.filter((model) => matches(model, want, known));
  if (whole) return drawWhole(wanted);
  const fit = await json(`data/fit/${encodeURIComponent(want.gpu)}.json`);
  if (asked().gpu !== want.gpu) return undefined; // the reader went on to another card
  const column = fit.cells[want.count] ?? [];
  const rows = wanted.filter((model) => model.fitted.length).map((model) => ({ model, found: bestOf(model, column, want.count, known) }));
  const counted = LABELS.map((_, state) => rows.filter((row) => row.found.state === state).length);
  drawAnswer(want, counted);
  const shown = rows.filter((row) => row.found.state <= LIMITS[want.show]);
  const sorted = { sort: order.sort ?? "size", descending: order.sort ? order.descending : true };
  results.replaceChildren(table(`${shown.length} models on ${cardName(want)}`, onCard, shown, sorted, remember));
  return undefined;
}

function drawWhole(wanted) {
  meter.replaceChildren();
  answer.replaceChildren(el("strong", {}, wanted.length.toLocaleString("en")), " models, with or without open weights.");
  const sorted = { sort: order.sort ?? "release", descending: order.sort ? order.descending : true };
  const rows = wanted.map((model) => ({ model }));
  results.replaceChildren(table(`${wanted.length} models of the catalogue`, anyCard, rows, sorted, remember));
}

function remember(state) {
  Object.assign(order, state);
  toAddress(asked());
}

const cardName = (want) => `${want.count} × ${form.elements.gpu.selectedOptions[0].textContent}`;

function drawAnswer(want, counted) {
  const judged = counted.slice(0, UNKNOWN).reduce((sum, one) => sum + one, 0);
  const rest = [[TIGHT, "to the last percent"], [SHORTER, "with a shorter context"], [NOT, "too large"], [OFFLOAD, "only with offloading"], [REFUSED, "that no engine serves there"]];
  const told = rest.filter(([state]) => counted[state]).map(([state, words]) => `${counted[state]} ${words}`);
  answer.replaceChildren(
    el("strong", {}, `${counted[RUNS]} of ${judged}`), ` models run at their full context${told.length ? `; ${told.join(", ")}` : ""}.`,
    counted[UNKNOWN] ? ` ${counted[UNKNOWN]} have no verdict for want of facts.` : "",
  );
  meter.replaceChildren(
    ...counted.slice(0, UNKNOWN).map((number, state) => {
      const bar = el("span", { class: `bar state-${state}` });
      bar.style.flexGrow = number;
      bar.hidden = !number;
      return bar;
    }),
  );
}

async function start() {
  fromAddress();
  try {
    const known = await catalogue();
    const again = () => draw(known).catch(fail);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", again);
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
  results.replaceChildren(failure(error));
}

start();
