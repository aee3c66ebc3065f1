// Read the registry's files, each once, and give rows names.
const read = new Map();

/** A JSON file next to the pages (or of the registry, with ../); an Error tells the file and what to do. */
export function json(path) {
  return cached(path, (response) => response.json());
}

/** A text file of the registry. */
export function text(path) {
  return cached(path, (response) => response.text());
}

function cached(path, take) {
  if (!read.has(path)) {
    const reading = fetched(path, take);
    read.set(path, reading);
    reading.catch(() => read.delete(path)); // a network that comes back is asked again
  }
  return read.get(path);
}

async function fetched(path, take) {
  let response;
  try {
    response = await fetch(path);
  } catch {
    throw new Error(`${path} could not be read. ${location.protocol === "file:" ? "Pages opened as local files may not read others: serve the registry folder, e.g. python -m http.server." : "The host does not answer; try again."}`);
  }
  if (!response.ok) throw new Error(`${path} is not there (status ${response.status}). The registry may be half copied.`);
  try {
    return await take(response);
  } catch {
    throw new Error(`${path} is damaged: it is no valid document. Copy the registry anew.`);
  }
}

/** The list of all models, checkpoints with a fit, and cards. */
export async function catalogue() {
  const raw = await json("data/catalogue.json");
  if (!raw.named) {
    const { columns, rows } = raw.models;
    raw.named = rows.map((row) => Object.fromEntries(columns.map((column, place) => [column, row[place]])));
    raw.variants = raw.variants.map(([id, scheme, bits, context, official, downloads, weights]) => ({ id, scheme, bits, context, official, downloads, weights }));
    raw.cards = new Map(raw.gpus.map(([id, name, label, memory, gib, usd]) => [id, { id, name, label, memory, gib, usd_per_hour: usd }]));
    raw.byId = new Map(raw.named.map((model) => [model.id, model]));
  }
  return { models: raw.named, byId: raw.byId, variants: raw.variants, cards: raw.cards, groups: raw.gpu_groups, fewest: raw.fewest, cells: raw.cells };
}

/** Ids of the catalogue that are like a wrong one, the likeliest first: the same name, else most of its words. */
export function near(wrong, known) {
  const words = (text) => text.toLowerCase().split(/[^a-z0-9]+/).filter(Boolean);
  const asked = new Set(words(wrong));
  const alike = (id) => words(id).filter((word) => asked.has(word)).length / Math.max(asked.size, words(id).length);
  return known.models
    .map(({ id, name }) => [id, name.toLowerCase() === wrong.toLowerCase() || id.split("/")[1] === wrong.toLowerCase() ? 2 : alike(id)])
    .filter(([, share]) => share >= 0.4)
    .sort(([a, shareA], [b, shareB]) => shareB - shareA || a.length - b.length)
    .slice(0, 5)
    .map(([id]) => id);
}

/** Everything about one model, or null when the catalogue has no such id. */
export async function details(id) {
  const part = await json(`data/models/${crc32(id) % 64}.json`);
  const own = Object.hasOwn(part.models, id) ? part.models[id] : null;
  if (!own) return null;
  const { columns, usual_day: usual } = await json("data/catalogue.json");
  const name = (kind, rows) => rows.map((row) => Object.fromEntries(columns[kind].map((column, place) => [column, row[place] ?? null])));
  const offers = name("offers", own.offers).map((row) => ({ ...row, since: row.since ?? usual }));
  const ruled = (row) => ({ ...row, rule: part.rule[row.rule] });
  return { ...own, offers, conflicts: name("conflicts", own.conflicts).map(ruled), documents: name("documents", part.documents).map(ruled) };
}

/** CRC-32 of the UTF-8 bytes: the same part as the writer chose. */
export function crc32(textToHash) {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(textToHash)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}
