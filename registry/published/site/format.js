// Figures as people read them; an unknown value is a dash, never a zero.
export const DASH = "–";

const known = (value) => value !== null && value !== undefined;

/** 8190735360 → 8.2B */
export function parameters(value) {
  if (!known(value)) return DASH;
  const [size, unit] = value >= 1e12 ? [1e12, "T"] : value >= 1e9 ? [1e9, "B"] : [1e6, "M"];
  return short(value / size) + unit;
}

/** 131072 → 131K */
export function tokens(value) {
  if (!known(value)) return DASH;
  if (value >= 1e6) return `${short(value / 1e6)}M`;
  return value >= 1000 ? `${Math.floor(value / 1000)}K` : String(value);
}

/** 2.5 → $2.50; zero is free of charge. */
export function usd(value) {
  if (!known(value)) return DASH;
  if (value === 0) return "free";
  return value < 0.095 ? `$${Number(value.toPrecision(2))}` : `$${value.toFixed(2)}`;
}

/** 17.6, 33.2 → 18–33 */
export function range(low, high) {
  return known(low) && known(high) ? `${short(low)}–${short(high)}` : DASH;
}

/** Two digits, from a hundred on whole numbers. */
export function short(value) {
  if (!known(value)) return DASH;
  return value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(2)));
}

/** 15.27 → 15.3 GiB */
export const gib2 = (value) => (known(value) ? `${value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1)} GiB` : DASH);

/** 16381470720 → 15.3 GiB */
export function gib(bytes) {
  return known(bytes) ? `${short(bytes / 2 ** 30)} GiB` : DASH;
}

/** 10145616 → 10.1M */
export function many(value) {
  return known(value) ? new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value) : DASH;
}

/** 2026-11-21T14:57:46Z → 2026-11-21 */
export const day = (value) => (known(value) ? value.slice(0, 10) : DASH);

const NAMES = { models_dev: "models.dev", huggingface: "Hugging Face", modelscope: "ModelScope", gpustack: "GPUStack", override: "corrected by hand", home: "website" };

/** huggingface → Hugging Face */
export const sourceName = (key) => NAMES[key] ?? key.replaceAll("_", " ");

/** Any value of a record. */
export function plain(value) {
  if (!known(value)) return DASH;
  if (Array.isArray(value) && value.every((one) => typeof one !== "object")) return value.join(", ");
  if (typeof value === "number") return value.toLocaleString("en", { maximumFractionDigits: 9 });
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
