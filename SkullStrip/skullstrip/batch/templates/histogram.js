// Volumes of all scans as bars, of those shown filled; a bar filters the table.

const CHART = { width: 760, height: 150, left: 8, right: 8, top: 18, bottom: 22 };
const MOST_BARS = 40;
const bins = makeBins(scans.map((scan) => scan.volume_ml).filter((volume) => volume !== null));
let currentBar = 0;

function makeBins(volumes) {
  if (!volumes.length) return [];
  const low = Math.min(...volumes);
  const high = Math.max(...volumes);
  const width = niceWidth((high - low) / MOST_BARS);
  const first = Math.floor(low / width);
  const count = Math.floor(high / width) - first + 1;
  return Array.from({ length: count }, (_, place) => {
    const from = (first + place) * width;
    return { from, to: from + width };
  });
}

function niceWidth(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= least);
}

function drawHistogram(shown, changed) {
  if (!bins.length) return;
  const all = countInBins(scans);
  const now = countInBins(shown);
  const most = Math.max(...all.map((count) => count.all));
  const step = (CHART.width - CHART.left - CHART.right) / bins.length;
  const deep = CHART.height - CHART.top - CHART.bottom;
  const chart = drawing("svg", {
    viewBox: `0 0 ${CHART.width} ${CHART.height}`, role: "group",
    "aria-label": "Histogram of brain volumes; arrow keys move between bars, Enter filters",
  });
  bins.forEach((bin, place) => {
    const left = CHART.left + place * step;
    const high = (count) => (count ? Math.max(2, (deep * count) / most) : 0);
    chart.append(bar(bin, place, { left, step, high, all: all[place], now: now[place] }, changed));
  });
  chart.append(...axis(step), ...limitLines(step));
  byId("histogram").replaceChildren(chart);
}

function countInBins(some) {
  const counts = bins.map(() => ({ all: 0, outliers: 0 }));
  const width = bins[0].to - bins[0].from;
  for (const scan of some) {
    if (scan.volume_ml === null) continue;
    const place = Math.min(Math.floor((scan.volume_ml - bins[0].from) / width), bins.length - 1);
    counts[place].all += 1;
    counts[place].outliers += scan.outlier ? 1 : 0;
  }
  return counts;
}

function bar(bin, place, { left, step, high, all, now }, changed) {
  const floor = CHART.height - CHART.bottom;
  const rectangle = (kind, count) => drawing("rect", {
    class: kind, x: left + 0.5, width: step - 1, y: floor - high(count), height: high(count),
  });
  const isChosen = filters.bin?.from === bin.from;
  const toggle = () => {
    filters.bin = filters.bin?.from === bin.from ? null : bin;
    currentBar = place;
    changed(`bar-${place}`);
  };
  const parts = [drawing("rect", { class: "hit", x: left, width: step, y: 0, height: floor })];
  if (all.all) parts.push(rectangle("bar-all", all.all));
  if (now.all > now.outliers) parts.push(rectangle("bar-now", now.all));
  if (now.outliers) parts.push(rectangle("bar-out", now.outliers));
  return drawing("g", {
    class: isChosen ? "bar chosen" : "bar", role: "button", "aria-pressed": isChosen,
    "aria-label": barLabel(bin, all), id: `bar-${place}`, tabindex: place === currentBar ? 0 : -1,
    onclick: toggle, onkeydown: (event) => barKey(event, place, toggle),
  }, drawing("title", {}, barLabel(bin, all)), ...parts);
}

function barLabel(bin, count) {
  const range = `${grouped.format(bin.from)} to ${grouped.format(bin.to)} mL`;
  const outliers = count.outliers ? `, ${count.outliers} outside the usual range` : "";
  return `${range}: ${count.all} ${count.all === 1 ? "scan" : "scans"}${outliers}`;
}

function barKey(event, place, toggle) {
  const steps = { ArrowLeft: -1, ArrowRight: 1 };
  if (event.key === "Enter" || event.key === " ") toggle();
  else if (event.key in steps) focusBar(place + steps[event.key]);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function focusBar(place) {
  if (place < 0 || place >= bins.length) return;
  byId(`bar-${currentBar}`).setAttribute("tabindex", "-1");
  currentBar = place;
  byId(`bar-${place}`).setAttribute("tabindex", "0");
  byId(`bar-${place}`).focus();
}

function placeOf(volume, step) {
  return CHART.left + ((volume - bins[0].from) / (bins[0].to - bins[0].from)) * step;
}

function axis(step) {
  const base = CHART.height - CHART.bottom;
  const end = bins[bins.length - 1].to;
  const every = niceWidth((end - bins[0].from) / 8);
  const marks = [drawing("line", {
    class: "axis", x1: CHART.left, x2: CHART.width - CHART.right, y1: base, y2: base,
  })];
  for (let volume = Math.ceil(bins[0].from / every) * every; volume <= end; volume += every) {
    marks.push(label(placeOf(volume, step), base + 17, 24, grouped.format(volume)));
  }
  return marks;
}

// A text below or above a place; near an edge, by `margin`, it begins or ends there.
function label(place, y, margin, text) {
  const anchor = place < margin ? "start" : place > CHART.width - margin ? "end" : "middle";
  return drawing("text", { x: place, y, "text-anchor": anchor }, text);
}

function limitLines(step) {
  if (page.limits === null) return [];
  return ["low", "median", "high"].flatMap((name) => {
    const place = placeOf(page.limits[name], step);
    if (place < CHART.left || place > CHART.width - CHART.right) return [];
    return [
      drawing("line", {
        class: `limit ${name}`, x1: place, x2: place, y1: CHART.top - 4,
        y2: CHART.height - CHART.bottom,
      }),
      label(place, 10, 60,
        `${name === "median" ? "median" : "limit"} ${grouped.format(page.limits[name])}`),
    ];
  });
}

function volumesNote() {
  const volumes = scans.filter((scan) => scan.volume_ml !== null).length;
  if (!volumes) return "No scan has a volume.";
  if (page.limits === null) {
    return `In mL. Outliers are marked from ${page.fewest} differing volumes on.`;
  }
  const { low, high, median } = page.limits;
  const outliers = scans.filter((scan) => scan.outlier).length;
  return `In mL; median ${grouped.format(median)}. ${outliers} of ${grouped.format(volumes)} stand `
    + `out: below ${grouped.format(low)} or above ${grouped.format(high)}, which is ${page.threshold} `
    + "robust standard deviations (1.4826 times the median absolute deviation) from the median. "
    + "Click a bar to see its scans.";
}
