// Wiring: what clicks and keys do.

function refresh(focusId) {
  const shown = shownScans();
  drawFacets(refresh);
  drawHistogram(shown, refresh);
  setShown(shown);
  goTo(0);
  byId("clear").hidden = !isFiltered();
  byId("count").textContent =
    `${grouped.format(shown.length)} of ${grouped.format(scans.length)} scans`;
  if (!focusId) return;
  // What was clicked has been drawn anew.
  (byId(focusId) ?? document.querySelector(`[data-facet="${focusId}"]`))?.focus();
}

function sortBy(column) {
  order.descending = order.column === column && !order.descending;
  order.column = column;
  drawHead(sortBy);
  setShown(shownScans());
  document.querySelector(`[data-sort="${column}"]`).focus();
}

// Marks the current scan and goes on to the next, also where the mark takes it out of the filter.
function mark(change) {
  const scan = currentScan();
  if (!scan) return;
  const following = table.shown[table.current + 1];
  decide(scan, change);
  const word = change.decision ? DECISIONS[change.decision].word : "Decision cleared";
  announce(`${word}: ${scan.name}`);
  const goesOn = Boolean(change.decision && following);
  redraw(goesOn ? following : scan);
}

function redraw(scan) {
  setShown(shownScans());
  const place = table.shown.indexOf(scan);
  goTo(place >= 0 ? place : table.current);
  if (isOpen()) {
    if (currentScan()) drawViewer();
    else byId("viewer").close();
  }
}

function walk(steps) {
  goTo(table.current + steps);
  if (isOpen()) drawViewer();
}

function keepComment() {
  const scan = currentScan();
  const comment = byId("comment").value.trim();
  if (!scan || comment === decisionOn(scan).comment) return;
  decide(scan, { comment });
  drawRows(true);
}

function commentOn() {
  openViewer();
  byId("comment").focus();
}

const ACTIONS = {
  j: () => walk(1),
  ArrowDown: () => walk(1),
  k: () => walk(-1),
  ArrowUp: () => walk(-1),
  a: () => mark({ decision: "accept" }),
  r: () => mark({ decision: "reject" }),
  u: () => mark({ decision: "", comment: "" }),
  c: commentOn,
  o: toggleOutline,
  "?": () => byId("keys").showModal(),
};

function onKey(event) {
  const isTyping = event.target.matches("input, textarea, select");
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping || byId("keys").open) return;
  const action = ACTIONS[event.key] ?? gridAction(event);
  if (!action) return;
  event.preventDefault();
  action();
}

function gridAction(event) {
  if (isOpen()) return null;
  if (event.key === "/") return () => byId("search").focus();
  if (event.target !== byId("grid") && event.target !== document.body) return null;
  const page = Math.max(1, Math.floor(window.innerHeight / rowHeight()) - 3);
  return {
    Enter: openViewer,
    Home: () => goTo(0),
    End: () => goTo(table.shown.length - 1),
    PageDown: () => goTo(table.current + page),
    PageUp: () => goTo(table.current - page),
  }[event.key];
}

function onRowClick(event) {
  const clicked = event.target.closest("tr[data-place]");
  if (!clicked) return;
  goTo(Number(clicked.dataset.place));
  byId("grid").focus({ preventScroll: true });
  const button = event.target.closest("[data-mark]");
  if (button) {
    const isSame = button.getAttribute("aria-pressed") === "true";
    decide(currentScan(), { decision: isSame ? "" : button.dataset.mark });
    redraw(currentScan());
  } else if (event.target.closest(".open")) {
    openViewer();
  }
}

async function onFile() {
  const [file] = byId("file").files;
  byId("file").value = "";
  if (!file) return;
  let text;
  try {
    const { taken, left } = importDecisions(await file.text());
    text = `${taken} decisions read from ${file.name}`;
    if (left) text += `; ${left} rows name no scan of this page, or no decision`;
  } catch (error) {
    text = `${file.name} was not read: ${error.message}.`;
  }
  refresh();
  byId("count").textContent = text;
}

function wireControls() {
  byId("search").addEventListener("input", (event) => {
    filters.text = event.target.value;
    refresh();
  });
  byId("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === "Escape") byId("grid").focus();
  });
  byId("decided").addEventListener("change", (event) => {
    filters.decided = event.target.value;
    refresh();
  });
  byId("clear").addEventListener("click", () => {
    clearFilters();
    refresh();
    byId("grid").focus();
  });
  byId("rater").value = storage?.getItem(RATER) ?? "";
  byId("rater").addEventListener("change", (event) => storage?.setItem(RATER, event.target.value));
  byId("export").addEventListener("click", exportDecisions);
  byId("import").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", onFile);
  // A button does what the key does that it names.
  for (const button of document.querySelectorAll("button[aria-keyshortcuts]")) {
    const action = ACTIONS[button.getAttribute("aria-keyshortcuts")];
    if (action) button.addEventListener("click", action);
  }
}

function wireViewer() {
  byId("close").addEventListener("click", () => byId("viewer").close());
  byId("viewer").addEventListener("close", () => byId("grid").focus({ preventScroll: true }));
  byId("comment").addEventListener("input", keepComment);
  // Escape leaves the comment first, and only then the scan.
  byId("comment").addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    byId("close").focus();
  });
}

function wireWindow() {
  document.addEventListener("keydown", onKey);
  byId("rows").addEventListener("click", onRowClick);
  let isWaiting = false;
  const onView = () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      drawRows();
    });
  };
  window.addEventListener("scroll", onView, { passive: true });
  window.addEventListener("resize", onView);
  window.addEventListener("beforeprint", () => showEverything(true));
  window.addEventListener("afterprint", () => showEverything(false));
  // Most thumbnails come after this script in the page.
  document.addEventListener("DOMContentLoaded", () => drawRows(true));
  new ResizeObserver(([{ target }]) => {
    byId("grid").style.setProperty("--top", `${target.getBoundingClientRect().height}px`);
  }).observe(byId("toolbar"));
}

function showEverything(everything) {
  table.everything = everything;
  drawRows(true);
}

loadDecisions();
byId("storage-note").hidden = storage !== null;
byId("volumes-note").textContent = volumesNote();
drawHead(sortBy);
wireControls();
wireViewer();
wireWindow();
refresh();
byId("grid").focus({ preventScroll: true });
