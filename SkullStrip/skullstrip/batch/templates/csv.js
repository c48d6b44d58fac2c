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
