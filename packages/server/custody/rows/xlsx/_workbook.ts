import { crc32, deflateRawSync } from 'node:zlib';

/** The parts of a package, by their names. */
export type Parts = Readonly<Record<string, string | Uint8Array>>;

/** A cell in short: a text or a number, or the XML of one. Null where there is none. */
export type ShortCell = string | number | { readonly xml: string } | null;

/** How a zip is to be written wrong on purpose. */
export interface ZipFaults {
  readonly sizes?: Readonly<Record<string, number>>;
  readonly flags?: number;
  readonly comment?: string;
  readonly method?: 'stored' | 'deflated';
}

/** Writes parts as a zip. */
export function zip(parts: Parts, faults: ZipFaults = {}): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(parts)) {
    const plain = Buffer.from(content as string);
    const isStored = faults.method === 'stored';
    const packed = isStored ? plain : deflateRawSync(plain);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(faults.flags ?? 0, 2);
    fields.writeUInt16LE(isStored ? 0 : 8, 4);
    fields.writeUInt32LE(crc32(plain), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(faults.sizes?.[name] ?? plain.length, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    directory.push(
      Buffer.concat([Buffer.from('PK\x01\x02\x14\x00'), fields, place, Buffer.from(name)]),
    );
    files.push(local);
    offset += local.length;
  }
  const entries = Buffer.concat(directory);
  const comment = Buffer.from(faults.comment ?? '');
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(offset, 16);
  end.writeUInt16LE(comment.length, 20);
  return Buffer.concat([...files, entries, end, comment]);
}

const HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
const OFFICE = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006/relationships';

/** What a workbook is made of, beside its sheets. */
export interface WorkbookTerms {
  /** Texts shared among cells; cells refer to them by their own XML. */
  readonly shared?: readonly string[];
  /** Codes of formats of numbers; the style of each is its place from 1, and 0 shows numbers. */
  readonly formats?: readonly string[];
  readonly from1904?: boolean;
}

/** The parts of a workbook with these sheets, each of the XML inside its `worksheet`. */
export function workbookParts(
  sheets: Readonly<Record<string, string>>,
  { shared = [], formats = [], from1904 = false }: WorkbookTerms = {},
): Record<string, string> {
  const names = Object.keys(sheets);
  const relation = (id: string, kind: string, target: string) =>
    `<Relationship Id="${id}" Type="${OFFICE}/${kind}" Target="${target}"/>`;
  const sheetParts = Object.values(sheets).map((xml, at): [string, string] => [
    `xl/worksheets/sheet${at + 1}.xml`,
    `${HEAD}<worksheet xmlns="${MAIN}">${xml}</worksheet>`,
  ]);
  return {
    '[Content_Types].xml': `${HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="xml" ContentType="application/xml"/></Types>`,
    '_rels/.rels': `${HEAD}<Relationships xmlns="${PACKAGE}">${relation('rId1', 'officeDocument', 'xl/workbook.xml')}</Relationships>`,
    'xl/workbook.xml': `${HEAD}<workbook xmlns="${MAIN}" xmlns:r="${OFFICE}"><workbookPr${from1904 ? ' date1904="1"' : ''}/><sheets>${names
      .map((name, at) => `<sheet name="${xmlText(name)}" sheetId="${at + 1}" r:id="rId${at + 1}"/>`)
      .join('')}</sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `${HEAD}<Relationships xmlns="${PACKAGE}">${names
      .map((_, at) => relation(`rId${at + 1}`, 'worksheet', `worksheets/sheet${at + 1}.xml`))
      .join(
        '',
      )}${relation('rIdS', 'styles', '/xl/styles.xml')}${relation('rIdT', 'sharedStrings', 'sharedStrings.xml')}</Relationships>`,
    ...Object.fromEntries(sheetParts),
    'xl/styles.xml': `${HEAD}<styleSheet xmlns="${MAIN}"><numFmts>${formats
      .map((code, at) => `<numFmt numFmtId="${200 + at}" formatCode="${xmlText(code)}"/>`)
      .join('')}</numFmts><cellXfs><xf numFmtId="0"/>${formats
      .map((_, at) => `<xf numFmtId="${200 + at}"/>`)
      .join('')}</cellXfs></styleSheet>`,
    // As Excel does, behind the sheets that lean on it.
    'xl/sharedStrings.xml': `${HEAD}<sst xmlns="${MAIN}">${shared
      .map((text) => `<si><t xml:space="preserve">${xmlText(text)}</t></si>`)
      .join('')}</sst>`,
  };
}

/** A sheet's rows in XML: texts inline, numbers as they are. */
export function sheetXml(rows: readonly (readonly ShortCell[])[]): string {
  return `<sheetData>${rows.map(rowXml).join('')}</sheetData>`;
}

function rowXml(cells: readonly ShortCell[], at: number): string {
  return `<row r="${at + 1}">${cells.map((cell, column) => cellXml(cell, `${letters(column)}${at + 1}`)).join('')}</row>`;
}

function cellXml(cell: ShortCell, place: string): string {
  if (cell === null) return '';
  if (typeof cell === 'object') return cell.xml.replace('<c', `<c r="${place}"`);
  if (typeof cell === 'number') return `<c r="${place}"><v>${cell}</v></c>`;
  return `<c r="${place}" t="inlineStr"><is><t xml:space="preserve">${xmlText(cell)}</t></is></c>`;
}

function letters(column: number): string {
  const last = String.fromCharCode(0x41 + (column % 26));
  return column < 26 ? last : letters(Math.floor(column / 26) - 1) + last;
}

/** A workbook of one sheet with these rows. */
export function workbook(rows: readonly (readonly ShortCell[])[], terms?: WorkbookTerms): Buffer {
  return zip(workbookParts({ Sheet1: sheetXml(rows) }, terms));
}

// What XML cannot say.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const unsayable = /[\u0000-\u001f\ufffe\uffff]|\p{Cs}/gu;

/** A text as XML has it, with what XML cannot say as Office writes it. */
function xmlText(text: string): string {
  return text
    .replace(/_x[0-9a-fA-F]{4}_/g, (found) => `_x005F${found}`)
    .replace(unsayable, (found) => `_x${found.charCodeAt(0).toString(16).padStart(4, '0')}_`)
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;');
}
