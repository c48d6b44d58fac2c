// What every part uses: the scans as objects, and how elements and figures are made.

const STATES = {
  fail: { word: "Fail", mark: "✕", order: 0 },
  error: { word: "Not stripped", mark: "!", order: 1 },
  check: { word: "Check", mark: "?", order: 2 },
  none: { word: "Done", mark: "–", order: 3 },
  corrected: { word: "Corrected", mark: "✎", order: 4 },
  pass: { word: "Pass", mark: "✓", order: 5 },
};

const DECISIONS = {
  accept: { word: "Accepted", mark: "✓" },
  reject: { word: "Rejected", mark: "✕" },
};

const page = JSON.parse(document.getElementById("data").textContent);

const scans = page.rows.map((values, index) => {
  const scan = { index };
  page.columns.forEach((column, place) => {
    scan[column] = values[place];
  });
  scan.who = [scan.subject, scan.session].filter((part) => part && part !== scan.name).join(" · ");
  scan.outlier = outlierOf(scan.volume_ml);
  scan.haystack = [scan.name, scan.path, scan.who, scan.reasons].join("\n").toLowerCase();
  return scan;
});

function outlierOf(volume) {
  if (volume === null || page.limits === null) return "";
  if (volume < page.limits.low) return "low";
  return volume > page.limits.high ? "high" : "";
}

function byId(id) {
  return document.getElementById(id);
}

// Text is only ever set as text: a scan may be called anything.
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  return filled(made, properties, children);
}

function drawing(tag, properties = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  return filled(made, properties, children);
}

function filled(made, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function milliliters(volume) {
  return volume === null ? "" : grouped.format(volume);
}

function plusMinus(value, error, digits) {
  if (value === null) return "";
  const text = value.toFixed(digits);
  return error === null ? text : `${text} ± ${error.toFixed(digits)}`;
}

function duration(seconds) {
  return seconds === null ? "" : `${seconds.toFixed(1)} s`;
}

function chip(state) {
  const { word, mark } = STATES[state];
  return element("span", { class: `chip ${state}` },
    element("span", { class: "mark", "aria-hidden": "true" }, mark), word);
}

// Relative to this page whatever it holds: a colon or a question mark means nothing in it.
function relativeAddress(path) {
  return "./" + path.split("/").map(encodeURIComponent).join("/");
}

function announce(text) {
  byId("announce").textContent = text;
}

// Thumbnails lie in the page as text, some dozens together, until one of them comes into view.
const decodedThumbnails = new Map();

function thumbnailOf(scan) {
  const chunk = Math.floor(scan.index / page.chunk);
  if (!decodedThumbnails.has(chunk)) {
    const text = byId(`thumbnails-${chunk}`);
    if (text === null) return "";
    decodedThumbnails.set(chunk, text.textContent.split("\n"));
  }
  const content = decodedThumbnails.get(chunk)[scan.index % page.chunk];
  return content ? `data:image/webp;base64,${content}` : "";
}
