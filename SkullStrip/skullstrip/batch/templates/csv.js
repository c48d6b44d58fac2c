// CSV as RFC 4180 has it.

function toCsv(rows) {
  return rows.map((row) => row.map(csvField).join(",") + "\r\n").join("");
}

function csvField(value) {
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
    row.push(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"'));
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
