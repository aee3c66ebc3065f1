// What a cell of the fit says, in words; the pages share these.
import { el } from "./dom.js";
import { tokens } from "./format.js";

export const RUNS = 0;
export const TIGHT = 1;
export const SHORTER = 2;
export const NOT = 3;
export const OFFLOAD = 4;
export const REFUSED = 5;
export const UNKNOWN = 6;

export const LABELS = ["runs", "tight", "shorter context", "too large", "offload only", "no engine", "unknown"];
export const SIGNS = ["●", "◐", "◒", "○", "◌", "✕", "?"];

/** A cell of data/fit/<gpu>.json for `count` cards with names; `variant` is the checkpoint that it is about. */
export function readCell(cell, count, variant, cells) {
  if (!cell) return { state: UNKNOWN };
  const verdict = cells.verdicts[cell[0]];
  const running = verdict === "fits" || verdict === "tight";
  const columns = running ? cells.running : cells.others;
  const named = Object.fromEntries(columns.map((column, place) => [column, cell[place]]));
  const { tp = count, pp = 1 } = named;
  const binding = cells.bindings[named.binding] ?? named.binding;
  const state = stateOf(verdict, { ...named, binding });
  return { ...named, tp, pp, binding, state, context: running ? variant.context : named.max_context, weights_gib: variant.weights[`${tp}x${pp}`] };
}

function stateOf(verdict, named) {
  if (verdict === "fits") return RUNS;
  if (verdict === "tight") return TIGHT;
  if (verdict === "offload_only") return OFFLOAD;
  if (verdict === "unsupported") return REFUSED;
  return named.binding === "kv_cache" && named.max_context > 0 ? SHORTER : NOT;
}

/** The checkpoint of a model that a person with the card would take: with `least` tokens, running, then most bits, then official. */
export function best(model, column, count, known, least = 0) {
  let first = null;
  for (const place of model.fitted) {
    const variant = known.variants[place];
    const found = { ...readCell(column[place], count, variant, known.cells), variant };
    const enough = found.state <= SHORTER && found.context >= least;
    const rank = [least && !enough ? 1 : 0, found.state, -(variant.bits ?? 0), variant.official ? 0 : 1, -(variant.downloads ?? 0)];
    if (!first || before(rank, first.rank)) first = { ...found, rank };
  }
  return first;
}

function before(a, b) {
  for (let place = 0; place < a.length; place += 1) if (a[place] !== b[place]) return a[place] < b[place];
  return false;
}

/** A sign and a word; the colour only repeats them. */
export function badge(state) {
  return el("span", { class: `badge state-${state}` }, el("span", { "aria-hidden": "true" }, SIGNS[state]), ` ${LABELS[state]}`);
}

const WHY = { format: "its number format is not served", split: "it does not split so" };

/** What is short, or what is given up. */
export function remark(found, declared) {
  if (found.state === SHORTER) return `${tokens(found.context)} of ${tokens(declared)} tokens`;
  if (found.state === NOT && found.missing_gib) return `${found.missing_gib} GiB a card short`;
  if (found.state === REFUSED && found.binding) return WHY[found.binding] ?? String(found.binding);
  return null;
}
