// Which card a reader asks about: the address says it, else the last choice, else a start.
import { el, failure } from "./dom.js";

const KEY = "card";

/** {gpu, count} of the address, else of the last visit, else null; a card that the catalogue has not is passed over. */
export function chosenCard(known) {
  const asked = new URLSearchParams(location.search);
  for (const { gpu, count } of [{ gpu: asked.get("gpu"), count: asked.get("count") }, remembered()]) {
    if (known.cards.has(gpu)) return { gpu, count: [1, 2, 4, 8].includes(Number(count)) ? Number(count) : 1 };
  }
  return null;
}

/** What to say of a card in the address that the catalogue has not; null where it has. */
export function wrongCard(known) {
  const asked = new URLSearchParams(location.search).get("gpu");
  return asked === null || asked === "any" || known.cards.has(asked) ? null : failure(new Error(`The catalogue has no card ${asked}. Choose one of the list; this is another.`));
}

/** Begin with this card the next time. */
export function rememberCard({ gpu, count }) {
  try {
    localStorage.setItem(KEY, JSON.stringify({ gpu, count }));
  } catch {
    // storage may be forbidden; the address still says it
  }
}

/** The card of the last visit; empty when there is none. */
export function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

/** The options of a list of all cards, by maker. */
export function cardOptions(known, chosen) {
  return known.groups.map(([label, ids]) =>
    el("optgroup", { label }, ids.map((id) => el("option", { value: id, selected: id === chosen }, known.cards.get(id).label))));
}
