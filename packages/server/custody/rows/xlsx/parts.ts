import { broken, WorkbookError } from './errors.ts';
import type { DateFormat } from './formats.ts';
import { dateFormatOf } from './formats.ts';
import type { Attributes, XmlHandler } from './xml.ts';
import { readXml } from './xml.ts';
import type { Zip } from './zip.ts';

/** The most sheets of a workbook. */
const SHEETS_MAX = 256;
/** The most relations of a part, and the most styles of a workbook. */
const RELATIONS_MAX = 4_096;
const STYLES_MAX = 65_536;

/** A sheet's name and its part. */
export interface SheetPart {
  readonly name: string;
  readonly part: string;
}

/** What a workbook has: its sheets in their order, and the parts that their cells lean on. */
export interface WorkbookParts {
  readonly sheets: readonly SheetPart[];
  readonly sharedStrings: string | null;
  readonly styles: string | null;
  /** Whether days are counted from 1904 rather than from 1900. */
  readonly from1904: boolean;
}

interface Relation {
  /** The last word of the relation's kind, which is the same in both editions of the standard. */
  readonly kind: string;
  readonly part: string;
}

/** Finds a workbook's parts (ECMA-376, parts 1 and 2). @throws WorkbookError */
export async function findParts(zip: Zip): Promise<WorkbookParts> {
  const package_ = await readRelations(zip, '');
  const workbook = [...package_.values()].find(({ kind }) => kind === 'officeDocument')?.part;
  if (workbook === undefined) throw broken();
  const relations = await readRelations(zip, workbook);
  const partOf = (wanted: string) =>
    [...relations.values()].find(({ kind }) => kind === wanted)?.part ?? null;
  const sheets: SheetPart[] = [];
  let from1904 = false;
  await drain(zip, workbook, {
    open(name, attributes) {
      if (name === 'workbookPr')
        from1904 = /^(?:1|true|on)$/.test(attributes.get('date1904') ?? '');
      if (name !== 'sheet') return;
      const relation = relations.get(relationId(attributes));
      if (relation === undefined || sheets.length === SHEETS_MAX) throw broken();
      // A sheet of a chart or a dialogue has no rows.
      if (relation.kind !== 'worksheet') return;
      sheets.push({ name: attributes.get('name') ?? '', part: relation.part });
    },
    close() {},
  });
  const sharedStrings = partOf('sharedStrings');
  return { sheets, sharedStrings, styles: partOf('styles'), from1904 };
}

function relationId(attributes: Attributes): string {
  for (const [name, value] of attributes) if (name.endsWith(':id')) return value;
  throw broken();
}

async function readRelations(zip: Zip, part: string): Promise<ReadonlyMap<string, Relation>> {
  const cut = part.lastIndexOf('/') + 1;
  const folder = part.slice(0, cut);
  const relations = new Map<string, Relation>();
  await drain(zip, `${folder}_rels/${part.slice(cut)}.rels`, {
    open(name, attributes) {
      if (name !== 'Relationship' || attributes.get('TargetMode') === 'External') return;
      if (relations.size === RELATIONS_MAX) throw broken();
      const type = attributes.get('Type') ?? '';
      const kind = type.slice(type.lastIndexOf('/') + 1);
      const target = resolvePart(folder, attributes.get('Target') ?? '');
      relations.set(attributes.get('Id') ?? '', { kind, part: target });
    },
    close() {},
  });
  return relations;
}

/** A part's name from a target, which may be relative to the folder of whoever names it. */
function resolvePart(folder: string, target: string): string {
  const steps = target.startsWith('/') ? [] : folder.split('/').slice(0, -1);
  for (const step of target.split('/')) {
    if (step === '..') steps.pop();
    else if (step !== '' && step !== '.') steps.push(step);
  }
  return steps.join('/');
}

/** For each style of cells what its numbers stand for. @throws WorkbookError */
export async function readStyles(zip: Zip, part: string | null): Promise<readonly DateFormat[]> {
  const custom = new Map<string, string>();
  const styles: DateFormat[] = [];
  let inCells = false;
  if (part === null) return styles;
  await drain(zip, part, {
    open(name, attributes) {
      if (styles.length === STYLES_MAX || custom.size === STYLES_MAX) throw broken();
      if (name === 'cellXfs') inCells = true;
      if (name === 'numFmt') {
        custom.set(attributes.get('numFmtId') ?? '', attributes.get('formatCode') ?? '');
      }
      if (name === 'xf' && inCells) {
        const id = attributes.get('numFmtId') ?? '0';
        styles.push(dateFormatOf(Number(id), custom.get(id) ?? null));
      }
    },
    close(name) {
      if (name === 'cellXfs') inCells = false;
    },
  });
  return styles;
}

/** Reads a part to its end. */
export async function drain(zip: Zip, part: string, handler: XmlHandler): Promise<void> {
  for await (const _ of readXml(zip.read(part), handler)) {
    // What is told is told by then.
  }
}

/** Refuses a workbook that holds more than a bound of ours. */
export function tooLarge(): WorkbookError {
  return new WorkbookError('workbook-too-large');
}
