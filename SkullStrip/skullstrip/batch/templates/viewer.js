// One scan opened: all cuts, what is known of it, and the decision.

const FACTS = [
  ["Quality", (scan) => chip(scan.state)],
  ["Note", (scan) => scan.reasons],
  ["Brain volume", (scan) => scan.volume_ml === null ? "" : `${plusMinus(scan.volume_ml,
    scan.volume_error_ml, 0)} mL${scan.outlier ? `, unusually ${scan.outlier}` : ""}`],
  ["Dice, estimated", (scan) => plusMinus(scan.dice_estimate, scan.dice_error, 3)],
  ["Judged", (scan) => scan.judged === "as written" ? "" : scan.judged],
  ["Subject", (scan) => scan.subject],
  ["Session", (scan) => scan.session],
  ["Scan", (scan) => scan.path],
  ["Brain mask", (scan) => scan.brain_mask],
  ["Stripped scan", (scan) => scan.brain],
  ["Also applied to", (scan) => scan.applied_to],
  ["Time", (scan) => duration(scan.seconds)],
  ["Run by", (scan) => [scan.engine, scan.device].filter(Boolean).join(", ")],
  ["Border", (scan) => scan.border_mm && `${scan.border_mm} mm`],
  ["Fluid", (scan) => scan.keep_csf === "False" && "around the brain removed"],
  ["Views", (scan) => scan.views_used],
  ["Finished", (scan) => scan.finished.replace("T", " ").replace(/(Z|\+00:00)$/, " UTC")],
  ["SkullStrip", (scan) => scan.version],
];

function isOpen() {
  return byId("viewer").open;
}

function openViewer() {
  if (!currentScan()) return;
  drawViewer();
  if (isOpen()) return;
  byId("viewer").showModal();
  byId("picture").focus(); // on no button, so that a stray Enter decides nothing
}

function drawViewer() {
  const scan = currentScan();
  byId("viewer-name").textContent = scan.name;
  byId("viewer-place").textContent =
    `${grouped.format(table.current + 1)} of ${grouped.format(table.shown.length)}`;
  byId("picture").replaceChildren(...pictures(scan));
  byId("picture").scrollTop = 0;
  byId("facts").replaceChildren(...facts(scan));
  byId("previous").disabled = table.current === 0;
  byId("next").disabled = table.current === table.shown.length - 1;
  drawDecision(scan);
  const following = table.shown[table.current + 1];
  if (following?.qc) new Image().src = relativeAddress(following.qc); // so that `j` is quick
}

function drawDecision(scan) {
  const { decision, comment } = decisionOn(scan);
  for (const name of Object.keys(DECISIONS)) {
    byId(name).setAttribute("aria-pressed", decision === name);
  }
  byId("comment").value = comment;
}

function pictures(scan) {
  if (!scan.qc) {
    const reason = scan.state === "error" ? "it was not stripped" : "none was made";
    return [element("p", { class: "missing" }, `There is no picture of this scan: ${reason}.`)];
  }
  const applied = scan.qc_applied ? scan.qc_applied.split(";") : [];
  return [scan.qc, ...applied].map((path) => picture(scan, path));
}

function picture(scan, path) {
  const address = relativeAddress(path);
  const missing = () => {
    if (link.isConnected) link.replaceWith(element("p", { class: "missing" },
      `The picture ${path} is not beside this page. Keep the page in the folder of the results.`));
  };
  const image = element("img", {
    src: address, onerror: missing,
    alt: `Outline of the brain mask of ${scan.name} over slices in three planes`,
  });
  const link = element("a",
    { href: address, target: "_blank", rel: "noopener", title: "Open in full size" }, image);
  return link;
}

function toggleOutline() {
  const isShown = byId("picture").classList.toggle("bare") === false;
  byId("outline").setAttribute("aria-pressed", isShown);
}

function facts(scan) {
  return FACTS.flatMap(([word, value]) => {
    const content = value(scan);
    return content ? [element("dt", {}, word), element("dd", {}, content)] : [];
  });
}
