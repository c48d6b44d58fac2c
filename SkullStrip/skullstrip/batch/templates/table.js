// The table. Only rows in view, and some around, are in the document, whatever their number.

const AROUND = 6; // rows above and below the view
const COLUMNS = [
  { name: "cuts", word: "Cuts" },
  { name: "name", word: "Scan", sortable: true },
  { name: "state", word: "Quality", sortable: true },
  { name: "volume_ml", word: "Brain mL", sortable: true },
  { name: "dice_estimate", word: "Dice, est.", sortable: true },
  { name: "seconds", word: "Time", sortable: true },
  { name: "reasons", word: "Note", sortable: true },
  { name: "decision", word: "Decision", sortable: true },
];

const table = { shown: [], current: 0, first: 0, last: -1, everything: false };

function drawHead(sorted) {
  const cells = COLUMNS.map(({ name, word, sortable }) => {
    if (!sortable) return element("th", { role: "columnheader", scope: "col", class: name }, word);
    const isOrder = order.column === name;
    const direction = order.descending ? "descending" : "ascending";
    const arrow = isOrder ? (order.descending ? "▼" : "▲") : "";
    return element("th",
      { role: "columnheader", scope: "col", class: name, "aria-sort": isOrder ? direction : "none" },
      element("button", { type: "button", "data-sort": name, onclick: () => sorted(name) },
        `${word} `, element("span", { class: "arrow", "aria-hidden": "true" }, arrow)));
  });
  byId("head").replaceChildren(...cells);
}

function setShown(shown) {
  const current = currentScan();
  table.shown = shown;
  const place = current ? shown.indexOf(current) : 0;
  table.current = place >= 0 ? place : Math.min(table.current, Math.max(shown.length - 1, 0));
  const decided = scans.filter((scan) => decisionOn(scan).decision).length;
  byId("progress").textContent =
    `Decided ${grouped.format(decided)} of ${grouped.format(scans.length)}`;
  byId("empty").hidden = shown.length > 0;
  byId("grid").setAttribute("aria-rowcount", shown.length + 1);
  drawRows(true);
}

function currentScan() {
  return table.shown[table.current];
}

function rowHeight() {
  return parseFloat(getComputedStyle(byId("grid")).getPropertyValue("--row"));
}

function drawRows(always = false) {
  const height = rowHeight();
  const top = byId("rows").getBoundingClientRect().top;
  const count = table.shown.length;
  let first = Math.min(Math.max(0, Math.floor(-top / height) - AROUND), Math.max(0, count - 1));
  let last = Math.min(count - 1, Math.ceil((window.innerHeight - top) / height) + AROUND);
  if (table.everything) [first, last] = [0, count - 1];
  if (!always && first === table.first && last === table.last) return;
  Object.assign(table, { first, last });
  const rows = [];
  for (let place = first; place <= last; place += 1) rows.push(row(table.shown[place], place));
  byId("rows").replaceChildren(
    space(first * height), ...rows, space((count - 1 - Math.max(last, -1)) * height));
  showCurrent();
}

function space(height) {
  const made = element("tr", { class: "space", "aria-hidden": "true" });
  made.style.height = `${Math.max(0, height)}px`;
  return made;
}

function row(scan, place) {
  const cell = (name, ...content) => element("td", { role: "gridcell", class: name }, ...content);
  const made = element("tr",
    { role: "row", id: `scan-${scan.index}`, class: scan.state, "aria-rowindex": place + 2 },
    cell("cuts", cuts(scan)),
    cell("name", element("span", { class: "title", title: scan.path }, scan.name),
      element("span", { class: "muted" }, scan.who)),
    cell("state", chip(scan.state)),
    cell("volume_ml", ...volume(scan)),
    cell("dice_estimate", plusMinus(scan.dice_estimate, scan.dice_error, 3)),
    cell("seconds", duration(scan.seconds)),
    cell("reasons", element("span", { title: scan.reasons }, scan.reasons)),
    cell("decision", ...decisionCell(scan)));
  made.dataset.place = place;
  return made;
}

function cuts(scan) {
  const source = thumbnailOf(scan);
  const content = source
    ? element("img", { src: source, alt: "", decoding: "async" })
    : element("span", { class: "muted" }, scan.qc ? "open" : "no picture");
  return element("button",
    { type: "button", class: "open", tabindex: "-1", "aria-label": `All cuts of ${scan.name}` },
    content);
}

function volume(scan) {
  const figure = element("span", { class: "figure" }, milliliters(scan.volume_ml));
  const error = scan.volume_error_ml === null ? "" : ` ± ${milliliters(scan.volume_error_ml)}`;
  const parts = [figure, element("span", { class: "muted" }, error)];
  for (const word of [scan.outlier, scan.unlike].filter(Boolean)) {
    parts.push(element("span", { class: "tag" }, `◆ ${word}`));
  }
  return parts;
}

function decisionCell(scan) {
  const { decision, comment } = decisionOn(scan);
  const button = (name, key) => element("button",
    {
      type: "button", class: `mark-button ${name}`, tabindex: "-1", "data-mark": name,
      "aria-pressed": decision === name, "aria-label": `${DECISIONS[name].word}: ${scan.name}`,
      title: `${name === "accept" ? "Accept" : "Reject"} (${key})`,
    }, DECISIONS[name].mark);
  const word = decision ? DECISIONS[decision].word : "";
  return [button("accept", "a"), button("reject", "r"), element("span", { class: "words" },
    element("span", { class: "word" }, word),
    element("span", { class: "muted comment", title: comment }, comment))];
}

function showCurrent() {
  for (const old of byId("rows").querySelectorAll("[aria-selected]")) {
    old.removeAttribute("aria-selected");
  }
  const scan = currentScan();
  const made = scan && byId(`scan-${scan.index}`);
  if (made) made.setAttribute("aria-selected", "true");
  if (made) byId("grid").setAttribute("aria-activedescendant", made.id);
  else byId("grid").removeAttribute("aria-activedescendant");
}

function goTo(place) {
  if (!table.shown.length) return;
  table.current = Math.max(0, Math.min(table.shown.length - 1, place));
  scrollToCurrent();
  drawRows();
  showCurrent();
}

// The toolbar and the head of the table stay above, so the row must come below them.
function scrollToCurrent() {
  const height = rowHeight();
  const top = byId("rows").getBoundingClientRect().top + table.current * height;
  const least = byId("head").getBoundingClientRect().bottom;
  if (top < least) window.scrollBy(0, top - least);
  else if (top + height > window.innerHeight) window.scrollBy(0, top + height - window.innerHeight);
}
