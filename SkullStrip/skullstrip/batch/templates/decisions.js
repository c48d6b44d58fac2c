// What the reader decided on each scan, kept by the browser under the scan's own id.

const STORAGE_PREFIX = "skullstrip-decision:";
const RATER = "skullstrip-rater"; // whose name is asked once, and kept by the browser
const DECISION_COLUMNS = ["name", "path", "decision", "comment", "rater", "decided"];
const NONE_YET = Object.freeze({ decision: "", comment: "", rater: "", decided: "" });

const storage = findStorage();
const decisions = new Map();

function findStorage() {
  try {
    const found = window.localStorage;
    found.setItem(STORAGE_PREFIX, "");
    found.removeItem(STORAGE_PREFIX);
    return found;
  } catch {
    return null; // switched off, full, or not allowed for files
  }
}

function loadDecisions() {
  for (const scan of scans) {
    const kept = storage?.getItem(STORAGE_PREFIX + scan.id);
    if (kept) decisions.set(scan.id, readDecision(kept));
  }
}

function readDecision(text) {
  try {
    return { ...NONE_YET, ...JSON.parse(text) };
  } catch {
    return NONE_YET;
  }
}

function decisionOn(scan) {
  return decisions.get(scan.id) ?? NONE_YET;
}

function decide(scan, change) {
  const by = { rater: byId("rater").value.trim(), decided: `${new Date().toISOString().slice(0, 19)}Z` };
  const decided = { ...decisionOn(scan), ...by, ...change };
  const isEmpty = !decided.decision && !decided.comment;
  if (isEmpty) decisions.delete(scan.id);
  else decisions.set(scan.id, decided);
  try {
    if (isEmpty) storage?.removeItem(STORAGE_PREFIX + scan.id);
    else storage?.setItem(STORAGE_PREFIX + scan.id, JSON.stringify(decided));
  } catch {
    byId("storage-note").hidden = false; // the storage is full
  }
}

function decisionsCsv() {
  const rows = scans.filter((scan) => decisions.has(scan.id)).map((scan) => {
    const { decision, comment, rater, decided } = decisionOn(scan);
    return [scan.name, scan.path, decision, comment, rater, decided];
  });
  return toCsv([DECISION_COLUMNS, ...rows]);
}

function exportDecisions() {
  const address = URL.createObjectURL(new Blob([decisionsCsv()], { type: "text/csv" }));
  element("a", { href: address, download: "decisions.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  announce(`${decisions.size} decisions exported as decisions.csv`);
}

// Returns how many rows were taken and how many name no scan of this page.
function importDecisions(text) {
  const [head, ...rows] = fromCsv(text);
  const places = DECISION_COLUMNS.map((column) => (head ?? []).indexOf(column));
  const [name, path, decision, comment, rater, decided] = places;
  if (decision < 0 || (name < 0 && path < 0)) {
    throw new Error("it has no columns name or path, and decision");
  }
  const byPath = new Map(scans.map((scan) => [scan.path, scan]));
  const byName = uniqueNames();
  let taken = 0;
  for (const row of rows) {
    const scan = byPath.get(row[path]) ?? byName.get(row[name]);
    const given = (row[decision] ?? "").trim();
    if (!scan || !(given === "" || Object.hasOwn(DECISIONS, given))) continue;
    decide(scan, {
      decision: given,
      comment: row[comment] ?? "",
      rater: row[rater] ?? "",
      decided: row[decided] ?? "",
    });
    taken += 1;
  }
  return { taken, left: rows.length - taken };
}

function uniqueNames() {
  const names = new Map();
  for (const scan of scans) {
    names.set(scan.name, names.has(scan.name) ? undefined : scan);
  }
  return names;
}

// CSV as RFC 4180 has it, for spreadsheets too: a text that one would work out gets an apostrophe.

const FORMULA = /^[=+\-@]/;

function toCsv(rows) {
  return rows.map((row) => row.map(csvField).join(",") + "\r\n").join("");
}

function csvField(text) {
  const value = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

function fromCsv(text) {
  const rows = [];
  let row = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  const end = text.length;
  while (field.lastIndex < end) {
    const match = field.exec(text);
    if (match === null) throw new Error("its quotation marks do not match");
    const value = match[1] === undefined ? match[2] : match[1].replaceAll('""', '"');
    row.push(value[0] === "'" && FORMULA.test(value.slice(1)) ? value.slice(1) : value);
    if (match[3] !== ",") {
      rows.push(row);
      row = [];
    } else if (field.lastIndex === end) {
      row.push("");
    }
  }
  if (row.length) rows.push(row);
  return rows;
}
