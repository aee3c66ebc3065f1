// A table that sorts, tells its order to screen readers, and folds into cards on a phone.
import { el } from "./dom.js";

const PAGE = 60;

/**
 * columns: {key, label, cell(row) → node or text, sort(row) → number, string or null, numeric, first: "desc"};
 * state: {sort: key, descending, page: rows before the button for all}. `onsort` hears of a new order.
 */
export function table(caption, columns, rows, state = {}, onsort = () => {}) {
  let shown = state.page ?? PAGE;
  const body = el("tbody", { role: "rowgroup" });
  const more = el("button", { type: "button", class: "more", onclick: () => grow() });
  const head = el("tr", { role: "row" });
  const node = el(
    "div",
    { class: "tablewrap" },
    el("table", { role: "table" }, el("caption", {}, caption), el("thead", { role: "rowgroup" }, head), body),
    more,
  );

  function ordered() {
    const column = columns.find((one) => one.key === state.sort && one.sort);
    if (!column) return rows;
    const sign = state.descending ? -1 : 1;
    return rows
      .map((row, place) => [column.sort(row), place, row])
      .sort(([a, placeA], [b, placeB]) => {
        const missing = (a === null || a === undefined) - (b === null || b === undefined);
        if (missing) return missing; // unknown comes last either way
        const order = typeof a === "string" ? a.localeCompare(b) : a - b;
        return sign * order || placeA - placeB;
      })
      .map(([, , row]) => row);
  }

  function drawHead() {
    head.replaceChildren(
      ...columns.map((column) => {
        const active = state.sort === column.key;
        const kind = column.numeric ? "number" : null;
        if (!column.sort) return el("th", { role: "columnheader", scope: "col", class: kind }, el("span", { class: "plainhead" }, column.label));
        const button = el("button", { type: "button", class: active ? "sorted" : null }, column.label, el("span", { class: "arrow", "aria-hidden": "true" }, active ? (state.descending ? "↓" : "↑") : "↕"));
        button.addEventListener("click", () => {
          state.descending = active ? !state.descending : column.first === "desc";
          state.sort = column.key;
          draw();
          onsort(state);
          head.children[columns.indexOf(column)].firstChild.focus();
        });
        return el("th", { role: "columnheader", scope: "col", class: kind, "aria-sort": active ? (state.descending ? "descending" : "ascending") : null }, button);
      }),
    );
  }

  const line = (row) =>
    el(
      "tr",
      { role: "row" },
      columns.map((column, place) => {
        const inside = column.cell(row);
        const attributes = { "data-label": column.label, class: [column.numeric ? "number" : "", column.class ?? ""].join(" ").trim() || null };
        return place ? el("td", { role: "cell", ...attributes }, inside) : el("th", { role: "rowheader", scope: "row", ...attributes }, inside);
      }),
    );

  let lines = [];
  function draw() {
    drawHead();
    lines = ordered();
    body.replaceChildren(...lines.slice(0, shown).map(line));
    tellMore();
  }
  function grow() {
    const from = shown;
    shown = lines.length;
    body.append(...lines.slice(from).map(line));
    tellMore();
    body.children[from]?.querySelector("a")?.focus();
  }
  function tellMore() {
    more.hidden = lines.length <= shown;
    more.textContent = `Show all ${lines.length.toLocaleString("en")}`;
  }
  draw();
  return node;
}
