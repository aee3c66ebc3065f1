// A model on the reader's card: the verdict, the sum of its memory, why, what would help, and what to type.
import { cardOptions, chosenCard, rememberCard, wrongCard } from "./card.js";
import { json } from "./data.js";
import { command, el, facts, failure, query, tell } from "./dom.js";
import * as format from "./format.js";
import { table } from "./table.js";
import { NOT, OFFLOAD, REFUSED, RUNS, SHORTER, TIGHT, UNKNOWN, badge, best, readCell, remark } from "./verdict.js";

const COUNTS = [1, 2, 4, 8];

/** A form to choose card, count and checkpoint, and the answer below it, drawn anew at each choice. */
export function onCard(row, known, fallback) {
  const start = chosenCard(known) ?? fallback;
  const count = el("select", { id: "count" }, COUNTS.map((one) => el("option", { value: one, selected: one === start.count }, `${one} ×`)));
  const gpu = el("select", { id: "gpu" }, cardOptions(known, start.gpu));
  const checkpoint = el("select", { id: "checkpoint" }, el("option", { value: "" }, "the best that runs"), row.fitted.map((place) => el("option", { value: place }, named(known.variants[place]))));
  const out = el("div", { id: "oncard" });
  const draw = async (changed) => {
    const want = { gpu: gpu.value, count: Number(count.value) };
    if (changed) {
      rememberCard(want);
      history.replaceState(null, "", `?${query({ id: row.id, ...want })}${location.hash}`);
    }
    try {
      const fit = await json(`data/fit/${encodeURIComponent(want.gpu)}.json`);
      if (gpu.value !== want.gpu || Number(count.value) !== want.count) return;
      const column = fit.cells[want.count];
      const found = checkpoint.value === "" ? best(row, column ?? [], want.count, known) : { ...readCell(column?.[checkpoint.value], want.count, known.variants[checkpoint.value], known.cells), variant: known.variants[checkpoint.value] };
      const pick = (place) => {
        checkpoint.value = place;
        checkpoint.dispatchEvent(new Event("change"));
        checkpoint.focus();
      };
      out.replaceChildren(...answer(row, found, want, known, column, pick));
      if (changed) tell(out.firstChild.textContent);
    } catch (error) {
      out.replaceChildren(failure(error));
    }
  };
  for (const field of [count, gpu, checkpoint]) field.addEventListener("change", () => draw(true));
  const first = draw(false);
  const field = (control, label, kind) => el("div", { class: `field ${kind}` }, el("label", { for: control.id }, label), control);
  return { first, checkpoint, nodes: [wrongCard(known) ?? "", el("div", { class: "filters" }, field(count, "Cards", "few"), field(gpu, "Of this kind", "grow"), field(checkpoint, "Checkpoint", "grow")), out] };
}

export const named = (variant) => `${variant.id}${variant.scheme ? ` (${variant.scheme})` : ""}`;

function answer(row, found, want, known, column, pick) {
  const card = known.cards.get(want.gpu);
  const running = found.state === RUNS || found.state === TIGHT;
  const split = want.count > 1 && found.tp ? [found.tp > 1 ? `${found.tp} cards share each layer` : null, found.pp > 1 ? `${found.pp} stages of layers` : null].filter(Boolean).join(", ") : null;
  return [
    el("p", { class: "verdict" }, badge(found.state), el("span", {}, ` on ${want.count} × ${card.name}`), el("small", {}, el("code", {}, found.variant.id), found.variant.scheme ? ` · ${found.variant.scheme}` : "")),
    facts([
      ["Speed, one request", running && found.decode_tok_s_low ? `${format.range(found.decode_tok_s_low, found.decode_tok_s_high)} tokens/s` : null],
      ["Context", found.context ? `${found.context.toLocaleString("en")} tokens` : null],
      ["Full requests at once", running && found.max_concurrency ? format.short(found.max_concurrency) : null],
      ["Split", split],
    ]),
    sum(found, card, want.count),
    el("p", {}, el("strong", {}, "Why: "), column ? why(found) : "these cards cannot work as one; choose 1."),
    helps(row, found, want, known),
    others(row, want, column, known, pick),
    worth(row, card, want.count, running),
    el("div", { class: "commands" },
      el("p", { class: "meta" }, "The whole reckoning, with flags, and the documents to deploy it:"),
      command(`modelscan fit ${row.id} --gpu ${want.gpu}:${want.count} --variant ${found.variant.id}`),
      found.state <= SHORTER ? command(`modelscan manifest ${row.id} --gpu ${want.gpu}:${want.count} --variant ${found.variant.id} --target all --out ${row.id.split("/").at(-1)}`) : null),
  ].filter(Boolean);
}

function why(found) {
  const full = `a request of ${found.variant.context?.toLocaleString("en")} tokens`;
  switch (found.state) {
    case RUNS: return found.max_concurrency ? `weights, engine and ${full} fit, ${format.short(found.max_concurrency)} of them at once.` : "weights and engine fit.";
    case TIGHT: return "it is so near the limit that the reckoning cannot tell whether it starts. Try it, or ask for less context.";
    case SHORTER: return `the weights fit, the KV cache of ${full} does not. With --max-model-len=${found.context} it does.`;
    case NOT: return `${{ weights: "the weights alone are too large", kv_cache: "nothing is left for the KV cache", overhead: "weights and engine are too large" }[found.binding] ?? "it is too large"}; ${format.gib2(found.missing_gib)} are missing${found.tp > 1 || found.pp > 1 ? " on each card" : ""}.`;
    case OFFLOAD: return `${format.gib2(found.missing_gib)} are missing: it starts only with layers in system memory, and is slow then.`;
    case REFUSED: return `no engine serves it there: ${remark(found)}.`;
    default: return "facts of the model or the card are missing, so no verdict is given.";
  }
}

/** Other checkpoints on the same cards, and more cards for this one. */
function helps(row, found, want, known) {
  if (found.state === RUNS || found.state === UNKNOWN) return null;
  const signs = known.fewest[want.gpu];
  const place = row.fitted.find((one) => known.variants[one] === found.variant);
  const ways = [];
  if (signs[place] > String(want.count) && signs[place] <= "8") ways.push(`${signs[place]} of these cards`);
  const others = row.fitted.filter((one) => one !== place && signs[one] >= "1" && signs[one] <= String(want.count));
  if (others.length) ways.push(`the checkpoint ${others.map((one) => named(known.variants[one])).join(" or ")}`);
  return ways.length ? el("p", {}, el("strong", {}, "What runs at the full context: "), `${ways.join(", or ")}.`) : null;
}

/** All checkpoints on these cards; a click shows the sum of one. */
function others(row, want, column, known, pick) {
  if (row.fitted.length < 2 || !column) return null;
  const rows = row.fitted.map((place) => ({ place, variant: known.variants[place], ...readCell(column[place], want.count, known.variants[place], known.cells) }));
  return table(`All checkpoints on ${want.count} × ${known.cards.get(want.gpu).name}`, [
    { key: "id", label: "Checkpoint", cell: ({ place, variant }) => el("button", { type: "button", class: "plainlink", onclick: () => pick(place) }, variant.id), sort: ({ variant }) => variant.id.toLowerCase() },
    { key: "scheme", label: "Format", cell: ({ variant }) => variant.scheme ?? format.DASH, sort: ({ variant }) => variant.scheme },
    { key: "state", label: "Verdict", cell: (one) => el("span", {}, badge(one.state), remark(one, one.variant.context) && el("small", {}, remark(one, one.variant.context))), sort: ({ state }) => state },
    { key: "speed", label: "Tokens/s", numeric: true, first: "desc", cell: (one) => format.range(one.decode_tok_s_low, one.decode_tok_s_high), sort: (one) => one.decode_tok_s_low ?? null },
    { key: "context", label: "Context", numeric: true, first: "desc", cell: (one) => format.tokens(one.context || null), sort: (one) => one.context || null },
    { key: "weights", label: "Weights, GiB/card", numeric: true, cell: (one) => format.short(one.weights_gib), sort: (one) => one.weights_gib ?? null },
  ], rows, { sort: "state" });
}

/** From which load renting beats the cheapest seller, at three tokens read for one written. */
function worth(row, card, count, running) {
  if (!running || !card.usd_per_hour || row.price_input === null) return null;
  const rent = card.usd_per_hour * count;
  const sold = 3 * row.price_input + row.price_output;
  return el("p", {}, el("strong", {}, "Rent or buy: "),
    `${count} × this card rents for ${format.usd(rent)} an hour; the cheapest seller asks ${format.usd(sold)} for a million tokens of output with three million of input. Renting pays from ${format.short(((rent / sold) * 1e6) / 3600)} tokens of output a second, all requests together.`);
}

/** The memory of a card as a bar and as a sum; null where a term is unknown. */
function sum(found, card, count) {
  const { weights_gib: weights, kv_pool_gib: pool } = found;
  if (weights === undefined || pool === undefined || pool === null) return null;
  const rest = Math.max(0, card.gib - weights - pool);
  const running = found.state === RUNS || found.state === TIGHT;
  const missing = running ? 0 : found.missing_gib;
  const asked = Math.abs(pool) < 100 ? Math.max(0, pool + missing) : null; // of larger figures the file keeps too few digits
  const one = running ? (found.max_concurrency ? pool / found.max_concurrency : null) : asked;
  const terms = [
    ["rest", "Engine and reserve", "activations, graphs, and what the engine leaves free", rest],
    ["weights", "Weights", count > 1 ? "the share of one card" : null, weights],
    ["kv", "KV cache", `one request of ${found.variant.context?.toLocaleString("en")} tokens`, one],
  ].filter(([, , , gib]) => gib !== null);
  const need = terms.reduce((total, [, , , gib]) => total + gib, 0);
  const spare = Math.max(0, card.gib - need);
  const scale = Math.max(card.gib, need);
  const part = (kind, gib, label) => {
    const node = el("span", { class: `part part-${kind}` }, label);
    node.style.flexGrow = gib / scale;
    return node;
  };
  const bar = el("div", { class: "memory", "aria-hidden": "true" }, terms.map(([kind, , , gib]) => part(kind, gib, gib > scale / 8 ? { rest: "engine", weights: "weights", kv: "KV cache" }[kind] : "")), spare > 0 ? part("spare", spare, spare > scale / 8 ? "left" : "") : null);
  const over = need > card.gib * 1.002;
  if (over) {
    const limit = el("span", { class: "limit" });
    limit.style.left = `${(100 * card.gib) / scale}%`;
    bar.append(limit);
  }
  const line = (kind, label, note, gib) => el("tr", { class: kind }, el("th", { scope: "row" }, el("span", { class: `swatch part-${kind}`, "aria-hidden": "true" }), label, note ? el("small", {}, note) : null), el("td", { class: "number" }, `${format.gib2(gib)}`));
  return el("figure", { class: "sum", "aria-label": "Where the memory goes" }, bar,
    el("table", { class: "plain" }, el("caption", {}, count > 1 ? `Memory of each of the ${count} cards` : "Memory of the card"),
      el("tbody", {}, terms.map((term) => line(...term)),
        line("total", "Needed", one === null && !running ? "beside the KV cache" : null, need),
        line("card", "The card has", "as its driver counts", card.gib),
        over ? line("short", "Missing", one === null ? "with the KV cache of one request" : null, Math.max(missing, need - card.gib)) : line("spare", "Left", found.max_concurrency > 1.5 ? "for the KV cache of further requests" : null, spare))));
}
