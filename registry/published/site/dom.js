// Build elements from text: nothing from the catalogue is ever parsed as markup.
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; strings become text, null and false are left out. */
export function el(name, attributes = {}, ...children) {
  return built(document.createElement(name), attributes, children);
}

/** The same for drawings. */
export function svg(name, attributes = {}, ...children) {
  return built(document.createElementNS(SVG, name), attributes, children);
}

function built(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A link; an address that is not https or relative becomes plain text. */
export function link(href, text, attributes = {}) {
  const safe = /^(https:\/\/|(?!\/\/)[\w.%/-]+(\?|$|#))/.test(href) && !/^[a-z]+:(?!\/\/)/i.test(href);
  if (!safe) return el("span", attributes, text);
  const outside = href.startsWith("https://") ? { rel: "noopener noreferrer" } : {};
  return el("a", { href, ...outside, ...attributes }, text);
}

/** Address of a model's page, with the card to show it on. */
export const modelHref = (id, card = {}) => `model.html?${query({ id, ...card })}`;

/** Of an address: the slash of an id stays as it is, to be read by people. */
export const query = (values) => new URLSearchParams(values).toString().replaceAll("%2F", "/");

/** Address of a card's page. */
export const gpuHref = (id) => `gpu.html?id=${encodeURIComponent(id)}`;

/** A list of facts; entries without a value are left out. */
export function facts(entries) {
  const known = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts" }, known.map(([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value))));
}

/** A section with its own heading, to be linked to. */
export function section(id, title, ...children) {
  return el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), ...children);
}

/** Say to a screen reader what the page shows now. */
export function tell(message) {
  document.getElementById("status").textContent = message;
}

/** What went wrong, in place of the content. */
export function failure(error) {
  return el("p", { class: "note failure", role: "alert" }, error.message);
}

/** A line to type, with its button. */
export function command(line) {
  const code = el("code", {}, line);
  return el("div", { class: "command" }, code, copyButton(code, line.split(" ").slice(0, 2).join(" ")));
}

/** A button that copies the text of `node`, named `what`; where the browser forbids that, it selects the text. */
export function copyButton(node, what) {
  const label = el("span", {}, "Copy");
  const button = el("button", { type: "button", class: "quiet copy" }, label, el("span", { class: "sr" }, ` ${what}`));
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(node.textContent);
      label.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(node);
      label.textContent = "Selected: now Ctrl C";
    }
    tell(label.textContent);
    setTimeout(() => (label.textContent = "Copy"), 2500);
  });
  return button;
}
