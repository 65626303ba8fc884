import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import type { Declaration } from '@amanat/core/grants';
import { instancePaths } from '../../config/paths.ts';
import type { Mapping } from '../../custody/rows/rows.ts';
import { encodings, parseMapping } from '../../custody/rows/rows.ts';
import type { Api } from '../client.ts';
import type { Call, Command, Outcome } from '../command.ts';
import { dryRun } from '../dry-run.ts';
import { CliError } from '../errors.ts';
import { fetchDeclaration } from '../holdings.ts';
import { identifierRule } from '../identifiers.ts';
import type { SourceFile } from '../import-files.ts';
import { importFiles, listFiles } from '../import-files.ts';
import { openApi } from '../instance.ts';
import { readSigningKey } from '../keys.ts';
import { format } from '../progress.ts';
import { countReasons, describeReasons } from '../reject-reasons.ts';
import { readYamlFile } from '../yaml-file.ts';

/** `amanat import`: files of records, under a declared holding. */
export const importRecords: Command = {
  usage: 'HOLDING FILE… --as KEY [--map FILE] [--encoding E] [--sheet NAME] [--dry-run]',
  about:
    'Imports tables (CSV, JSON Lines or Excel’s .xlsx), or image files named by identifier, as the holding’s declaration says. A folder stands for ' +
    'every file in it. Rows that do not fit are listed with line, column and reason, never with a value, and do not ' +
    'stop the rest. Running it again with the same files changes nothing, and goes on where it was interrupted.',
  example:
    'amanat import sim-registrations sims.csv --as importer.pem --map headings.yaml\n' +
    'amanat import sim-registrations sims.csv --map headings.yaml --dry-run',
  options: {
    as: { value: 'KEY', help: 'the importer’s private key file' },
    map: { value: 'FILE', help: 'YAML of heading: field, or heading: null to leave a column out' },
    encoding: { value: 'E', help: `where there is no byte order mark: ${encodings.join(', ')}` },
    sheet: { value: 'NAME', help: 'the sheet of a workbook, where several hold something' },
    'dry-run': { help: 'read and judge every row, store nothing' },
    rejects: { value: 'FILE', help: 'where a dry run lists what it rejects (HOLDING.rejects.csv)' },
  },
  words: [2, 10_000],
  async run(call) {
    const [holding = '', ...paths] = call.arguments.words;
    const files = listFiles(paths);
    const encoding = call.arguments.choice('encoding', encodings, 'utf-8');
    const sheet = call.arguments.text('sheet');
    const mapPath = call.arguments.text('map');
    const map = mapPath === null ? null : await readMapping(mapPath);
    await using api = await openApi(call);
    const declaration = await fetchDeclaration(api, holding);
    if (call.arguments.flag('dry-run')) {
      return await judge(call, {
        api,
        declaration,
        files,
        mapping: map?.mapping ?? null,
        encoding,
        sheet,
      });
    }
    const key = await readSigningKey(call.arguments.required('as'));
    const progress = {
      read: call.progress('reading', 'bytes'),
      sent: call.progress('importing', 'bytes'),
    };
    const ofImages = declaration.fields.some(({ type }) => type === 'jpeg');
    const summary = await importFiles({
      api,
      key,
      holding,
      files,
      ofImages,
      mapping: map?.plain ?? null,
      encoding,
      sheet,
      now: call.now,
      random: randomBytes,
      signal: call.signal,
      onProgress: (step, bytes, total) => progress[step].at(bytes, total),
    }).catch((error: unknown) => {
      if (!call.signal.aborted) throw error;
      throw new CliError('interrupted', 'stopped; what was taken is kept, and seen by nobody yet', {
        cause: error,
        remedy: 'the same command again goes on where this one stopped',
      });
    });
    progress.sent.end(files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
    const rejects =
      summary.rejected === 0
        ? null
        : join(instancePaths(call.dir).imports, `${summary.import}.rejects.csv`);
    const reasons = rejects === null ? {} : await countReasons(rejects);
    const rate = Math.round(summary.rows / Math.max(summary.seconds, 0.001));
    return {
      json: { ...summary, rowsPerSecond: rate, rejects, reasons },
      lines: [
        `${summary.resumed ? 'Went on with' : 'Made'} import ${summary.import} of ${holding}: ` +
          `${format(summary.rows)} rows in ${summary.seconds.toFixed(1)} s (${format(rate)} a second).`,
        `  stored     ${format(summary.stored)}`,
        `  unchanged  ${format(summary.unchanged)}`,
        `  rejected   ${format(summary.rejected)}${rejects === null ? '' : `, listed in ${rejects}`}`,
        ...describeReasons(reasons),
        `  root       ${summary.root}`,
      ],
    };
  },
};

interface Judged {
  readonly api: Api;
  readonly declaration: Declaration;
  readonly files: readonly SourceFile[];
  readonly mapping: Mapping | null;
  readonly encoding: (typeof encodings)[number];
  readonly sheet: string | null;
}

async function judge(call: Call, terms: Judged): Promise<Outcome> {
  const { holding } = terms.declaration;
  const rejects = resolve(call.arguments.text('rejects') ?? `${holding}.rejects.csv`);
  const progress = call.progress('judging', 'rows');
  const found = await dryRun({
    ...terms,
    identifiers: await identifierRule(terms.api),
    rejects,
    signal: call.signal,
    onRows: (rows) => progress.at(rows),
  });
  progress.end(found.rows);
  return {
    json: { dryRun: true, holding, ...found, rejects },
    lines: [
      `Dry run of ${holding}: nothing is stored.`,
      `  rows       ${format(found.rows)}`,
      `  fit        ${format(found.accepted)}`,
      `  rejected   ${format(found.rejected)}, listed in ${rejects}`,
      ...describeReasons(found.reasons),
    ],
  };
}

async function readMapping(path: string): Promise<{ plain: unknown; mapping: Mapping }> {
  const plain = await readYamlFile(path);
  const parsed = parseMapping(plain);
  if (!parsed.ok) {
    throw new CliError('failed', `${path}, ${parsed.path || 'file'}: expected ${parsed.expected}`);
  }
  return { plain, mapping: parsed.mapping };
}
