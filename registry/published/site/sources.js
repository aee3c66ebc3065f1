// Field by field: the value, its source, the rule that chose it, and what others said.
import { el, link } from "./dom.js";
import { day, plain, sourceName } from "./format.js";
import { table } from "./table.js";

function valueAt(record, field) {
  return field.split(".").reduce((value, part) => value?.[part], record);
}

/** A table a record: the model first, then its checkpoints. */
export function sources(found) {
  return [found.model, ...found.variants].map((record, place) => {
    const rows = rowsOf(place, record, found);
    if (!rows.length) return null;
    const shown = table(record.id, COLUMNS, rows, { sort: "field" });
    const disputed = rows.filter((row) => row.others.length).length;
    const told = rows.length === 1 ? "1 field" : `${rows.length} fields`;
    return el("details", { open: !place }, el("summary", {}, place ? record.id : "The model", el("small", {}, ` ${told}${disputed ? `, ${disputed} disputed` : ""}`)), shown);
  });
}

function rowsOf(place, record, found) {
  const fields = new Map();
  const row = (field) => {
    if (!fields.has(field)) fields.set(field, { field, value: field === "*" ? null : valueAt(record, field), told: [], others: [] });
    return fields.get(field);
  };
  for (const [of, field, document] of found.sources) if (of === place) row(field).told.push(found.documents[document]);
  for (const conflict of found.conflicts) if (conflict.record === place) row(conflict.field).others.push(conflict);
  const others = fields.get("*");
  if (others) {
    const told = new Set([...fields.keys()].map((field) => field.split(".")[0]));
    others.value = Object.keys(record).filter((field) => !["id", "tags"].includes(field) && !told.has(field));
    for (const one of fields.values()) if (!one.told.length) one.told = others.told;
  }
  return [...fields.values()];
}

const COLUMNS = [
  { key: "field", label: "Field", cell: (row) => (row.field === "*" ? "all others" : el("code", {}, row.field)), sort: (row) => (row.field === "*" ? "~" : row.field) },
  { key: "value", label: "Value", cell: (row) => (row.field === "*" ? el("small", {}, row.value.join(", ")) : el("span", { class: "value" }, plain(row.value))) },
  { key: "source", label: "Source", cell: (row) => row.told.map(({ source, url, at, rule }) => el("span", { class: "told" }, url ? link(url, sourceName(source)) : sourceName(source), el("small", {}, rule === source ? day(at) : `${rule}, ${day(at)}`))), sort: (row) => row.told[0]?.source },
  {
    key: "others", label: "Others say",
    cell: (row) => (row.others.length ? row.others.map((one) => el("span", { class: "told disputed" }, `${plain(one.other)} `, el("small", {}, `${sourceName(one.other_source)}; ${one.rule}`))) : ""),
    sort: (row) => (row.others.length ? -row.others.length : null),
  },
];
