// Two models side by side: facts, prices, and the fewest cards that hold each.
import { chosenCard } from "./card.js";
import { catalogue, details, near } from "./data.js";
import { el, failure, gpuHref, link, modelHref, query, section, tell } from "./dom.js";
import * as format from "./format.js";

const form = document.getElementById("pair");
const place = document.getElementById("comparison");
const USUAL = ["rtx-3060-12gb", "rtx-4060-ti-16gb", "rtx-3090", "rtx-4090", "rtx-5090", "l4", "l40s", "rtx-pro-6000", "a100-80gb", "h100-80gb", "h200-141gb", "b200-180gb", "mi300x"];

const yes = (value) => (value === undefined ? format.DASH : value ? "yes" : "no");
const ROWS = [
  ["Lab", ({ model }) => model.lab],
  ["Released", ({ model }) => model.release_date],
  ["Licence", ({ model }) => model.licenses?.join(", ")],
  ["Open weights", ({ model }) => yes(model.open_weights)],
  ["Parameters", ({ model }) => format.parameters(model.parameters?.total)],
  ["Active parameters", ({ model }) => format.parameters(model.parameters?.active)],
  ["Context, tokens", ({ model }) => model.limits?.context?.toLocaleString("en")],
  ["Longest answer, tokens", ({ model }) => model.limits?.output?.toLocaleString("en")],
  ["Takes", ({ model }) => model.modalities?.input?.join(", ")],
  ["Reasoning", ({ model }) => yes(model.capabilities?.reasoning)],
  ["Tools", ({ model }) => yes(model.capabilities?.tool_call)],
  ["Structured output", ({ model }) => yes(model.capabilities?.structured_output)],
  ["Checkpoints", ({ variants }) => variants.length],
  ["Offers", ({ offers }) => offers.length],
  ["Cheapest paid input, $ per M", ({ row }) => format.usd(row.price_input)],
  ["Its output, $ per M", ({ row }) => format.usd(row.price_output)],
];

function sideBySide(caption, label, pair, rows) {
  const cells = (values) => values.map((value) => el("td", {}, value ?? format.DASH));
  return el("div", { class: "tablewrap" }, el("table", { class: "pair" }, el("caption", {}, caption),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, label), pair.map(({ model }) => el("th", { scope: "col" }, link(modelHref(model.id), model.name))))),
    el("tbody", {}, rows.map(([name, values]) => el("tr", { class: String(values[0]?.textContent ?? values[0]) === String(values[1]?.textContent ?? values[1]) ? "same" : null }, el("th", { scope: "row" }, name), cells(values))))));
}

function fewest(row, gpu, known) {
  const signs = row.fitted.map((variant) => known.fewest[gpu][variant]);
  const counts = signs.filter((sign) => sign >= "1" && sign <= "8").map(Number);
  if (!counts.length) return signs.includes("-") ? "more than 8" : format.DASH;
  const least = Math.min(...counts);
  const scheme = known.variants[row.fitted[signs.indexOf(String(least))]].scheme;
  return el("span", {}, `${least} ×`, scheme ? el("small", {}, scheme) : "");
}

async function compare(ids, known) {
  const pair = await Promise.all(ids.map(async (id) => {
    const found = known.byId.has(id) && (await details(id));
    if (!found) throw new Error(`The catalogue has no model ${id}. ${near(id, known).length ? `Did you mean ${near(id, known).join(", ")}?` : "Choose one of the list."}`);
    return { ...found, row: known.byId.get(id) };
  }));
  document.title = `${pair.map(({ model }) => model.name).join(" or ")} – ModelScan`;
  tell(`Compared: ${pair.map(({ model }) => model.name).join(" and ")}`);
  const own = chosenCard(known)?.gpu;
  const cards = [...new Set([own, ...USUAL])].map((id) => known.cards.get(id)).filter(Boolean);
  place.replaceChildren(
    section("facts", "What they are", sideBySide("Facts and prices of both models", "Fact", pair, ROWS.map(([name, value]) => [name, pair.map(value)]))),
    section("cards", "What they need", sideBySide("Fewest cards that hold the easiest checkpoint at its declared context", "Card", pair, cards.map((gpu) => [link(gpuHref(gpu.id), gpu.name), pair.map(({ row }) => fewest(row, gpu.id, known))]))),
  );
}

/** The two with a fit that most sellers offer. */
function example(known) {
  const [a, b] = known.models.filter((model) => model.fitted.length).sort((one, other) => other.offers - one.offers);
  return b ? link(`compare.html?${query({ a: a.id, b: b.id })}`, `An example: ${a.name} and ${b.name}`) : "";
}

/** An id, also where a name or only the end of an id was typed and one model alone has it. */
function meant(typed, known) {
  if (known.byId.has(typed)) return typed;
  const same = known.models.filter(({ id, name }) => [name.toLowerCase(), id.split("/")[1]].includes(typed.toLowerCase()));
  return same.length === 1 ? same[0].id : typed;
}

async function start() {
  try {
    const known = await catalogue();
    document.getElementById("models").replaceChildren(...known.models.map((model) => el("option", { value: model.id }, model.name)));
    const again = () => {
      const ids = ["a", "b"].map((name) => meant(form.elements[name].value.trim(), known));
      [form.elements.a.value, form.elements.b.value] = ids;
      history.replaceState(null, "", `?${query({ a: ids[0], b: ids[1] })}`);
      return compare(ids, known).catch((error) => place.replaceChildren(failure(error)));
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      again();
    });
    const asked = new URLSearchParams(location.search);
    for (const name of ["a", "b"]) form.elements[name].value = asked.get(name) ?? "";
    if (form.elements.a.value && form.elements.b.value) await again();
    else place.replaceChildren(el("p", { class: "meta" }, "Begin to type an id or a name; the list comes up by itself. ", example(known)));
  } catch (error) {
    place.replaceChildren(failure(error));
  }
  performance.mark("usable");
}

start();
