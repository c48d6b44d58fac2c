// Which scans are shown, and in which order.

const filters = { text: "", states: new Set(), decided: "all", outliers: false, bin: null };
const order = { column: "state", descending: false };
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

const SORT_KEYS = {
  name: (scan) => scan.name,
  state: (scan) => STATES[scan.state].order,
  volume_ml: (scan) => scan.volume_ml,
  dice_estimate: (scan) => scan.dice_estimate,
  seconds: (scan) => scan.seconds,
  reasons: (scan) => scan.reasons || null,
  decision: (scan) => DECISIONS[decisionOn(scan).decision]?.word ?? null,
};

function shownScans() {
  const words = filters.text.toLowerCase().split(/\s+/).filter(Boolean);
  return scans.filter((scan) => isShown(scan, words)).sort(compareScans);
}

function isShown(scan, words) {
  if (filters.states.size && !filters.states.has(scan.state)) return false;
  if (filters.decided !== "all" && decisionOn(scan).decision !== filters.decided) return false;
  if (filters.outliers && !scan.outlier && !scan.unlike) return false;
  if (filters.bin && !isInBin(scan.volume_ml, filters.bin)) return false;
  return words.every((word) => scan.haystack.includes(word));
}

function isInBin(volume, bin) {
  return volume !== null && volume >= bin.from && volume < bin.to;
}

function compareScans(one, other) {
  const key = SORT_KEYS[order.column];
  const difference = compareValues(key(one), key(other), order.descending);
  return difference || collator.compare(one.name, other.name) || one.index - other.index;
}

// What is missing comes last either way.
function compareValues(one, other, descending) {
  if (one === null || other === null) return (one === null) - (other === null);
  const difference = typeof one === "string" ? collator.compare(one, other) : one - other;
  return descending ? -difference : difference;
}

function isFiltered() {
  return Boolean(filters.text || filters.states.size || filters.outliers || filters.bin)
    || filters.decided !== "all";
}

function clearFilters() {
  Object.assign(filters, { text: "", decided: "all", outliers: false, bin: null });
  filters.states.clear();
  byId("search").value = "";
  byId("decided").value = "all";
}

// Buttons that filter by quality, with how many scans each has; and one for outliers.
function drawFacets(changed) {
  const buttons = Object.entries(STATES).map(([state, { word, mark }]) => {
    const count = scans.filter((scan) => scan.state === state).length;
    return count && facet(`${state} facet`, mark, word, count, filters.states.has(state), () => {
      if (!filters.states.delete(state)) filters.states.add(state);
      changed(state);
    }, state);
  });
  const outliers = scans.filter((scan) => scan.outlier || scan.unlike).length;
  const more = outliers && facet("outlier facet", "◆", "Volume outliers", outliers,
    filters.outliers, () => {
      filters.outliers = !filters.outliers;
      changed("outliers");
    }, "outliers");
  byId("facets").replaceChildren(...[...buttons, more].filter(Boolean));
}

function facet(kind, mark, word, count, pressed, toggled, name) {
  return element("button",
    { type: "button", class: kind, "aria-pressed": pressed, "data-facet": name, onclick: toggled },
    element("span", { class: "mark", "aria-hidden": "true" }, mark), `${word} `,
    element("span", { class: "number" }, grouped.format(count)));
}
