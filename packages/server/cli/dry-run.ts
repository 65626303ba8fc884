import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Declaration } from '@amanat/core/grants';
import { planImport, REJECT_HEADING } from '../custody/custody.ts';
import type {
  Encoding,
  FilePlace,
  FileRefusal,
  FramedFile,
  IdentifierRule,
  Mapping,
  RowBatch,
  Totals,
} from '../custody/rows/rows.ts';
import { describeRefusal, readImages, readTable } from '../custody/rows/rows.ts';
import { CliError } from './errors.ts';
import { readChunks } from './files.ts';
import type { SourceFile } from './import-files.ts';

/** What a dry run is made with. */
export interface DryRunTerms {
  readonly declaration: Declaration;
  readonly files: readonly SourceFile[];
  readonly identifiers: IdentifierRule;
  readonly mapping: Mapping | null;
  readonly encoding: Encoding;
  readonly sheet: string | null;
  /** Where the rejected rows are listed. */
  readonly rejects: string;
  readonly signal: AbortSignal;
  readonly onRows: (rows: number) => void;
}

/** What an import of these files would come to, as far as the files alone tell. */
export interface DryRun {
  readonly rows: number;
  readonly accepted: number;
  readonly rejected: number;
  /** Rejected rows by reason. */
  readonly reasons: Readonly<Record<string, number>>;
}

/**
 * Reads files as an import does, row by row, and stores nothing. What only the keeper knows (a number that is another
 * person's, a retention that is over) does not show here.
 * @throws CliError 'refused' where a whole file is refused, 'failed' where one cannot be read
 */
export async function dryRun(terms: DryRunTerms): Promise<DryRun> {
  const { declaration, ofImages } = planImport(terms.declaration);
  const { identifiers, encoding, mapping, sheet } = terms;
  const list = createWriteStream(terms.rejects, { flags: 'w', mode: 0o600 });
  const count = new Counter(terms);
  try {
    await once(list, 'open');
    list.write(REJECT_HEADING);
    if (ofImages) {
      const opened = acceptFile(
        readImages(framed(terms.files), declaration, { identifiers }),
        null,
      );
      for await (const batch of opened.batches) await count.take(batch, '', list);
    }
    for (const [at, file] of ofImages ? [] : terms.files.entries()) {
      const options = {
        identifiers,
        encoding,
        ...(mapping === null ? {} : { mapping }),
        ...(sheet === null ? {} : { sheet }),
      };
      const read = await readTable(readChunks(file.path), declaration, options);
      const opened = acceptFile(read, { at: at + 1, name: file.name });
      // As an import lists them: from the second file on, each line behind its file's number.
      const prefix = at === 0 ? '' : `${at + 1}:`;
      for await (const batch of opened.batches) await count.take(batch, prefix, list);
      count.endFile();
    }
  } catch (cause) {
    if (cause instanceof CliError || terms.signal.aborted) throw cause;
    throw new CliError('failed', 'the files cannot be read to their end', { cause });
  } finally {
    list.end();
    if (!list.closed && !list.errored) await once(list, 'close');
  }
  return count.result();
}

/** Counts of all files, and the list of what was rejected. */
class Counter {
  readonly #terms: DryRunTerms;
  readonly #reasons = new Map<string, number>();
  #before = { rows: 0, accepted: 0, rejected: 0 };
  #totals: Pick<Totals, 'rows' | 'accepted' | 'rejected'> = this.#before;

  constructor(terms: DryRunTerms) {
    this.#terms = terms;
  }

  async take(batch: RowBatch, prefix: string, list: ReturnType<typeof createWriteStream>) {
    this.#terms.signal.throwIfAborted();
    this.#totals = batch.totals;
    this.#terms.onRows(this.#before.rows + batch.totals.rows);
    let lines = '';
    for (const { line, column, code } of batch.rejections) {
      lines += `${prefix}${line},${column ?? ''},${code}\n`;
      this.#reasons.set(code, (this.#reasons.get(code) ?? 0) + 1);
    }
    if (lines !== '' && !list.write(lines)) await once(list, 'drain');
  }

  endFile(): void {
    this.#before = this.result();
    this.#totals = { rows: 0, accepted: 0, rejected: 0 };
  }

  result() {
    const { rows, accepted, rejected } = this.#totals;
    return {
      rows: this.#before.rows + rows,
      accepted: this.#before.accepted + accepted,
      rejected: this.#before.rejected + rejected,
      reasons: Object.fromEntries(this.#reasons),
    };
  }
}

async function* framed(files: readonly SourceFile[]): AsyncGenerator<FramedFile> {
  for (const { name, path, sizeBytes } of files) {
    yield { name, size: sizeBytes, content: readChunks(path) };
  }
}

function acceptFile<T extends { readonly ok: true }>(
  opened: T | FileRefusal,
  file: FilePlace | null,
): T {
  if (opened.ok) return opened;
  throw new CliError('refused', describeRefusal(opened, file), { reason: opened.code });
}
