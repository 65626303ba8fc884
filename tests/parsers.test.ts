import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { coreParsers } from './_parsers-core.ts';
import { keeperParsers } from './_parsers-keeper.ts';
import { serverParsers } from './_parsers-server.ts';
import { webParsers } from './_parsers-web.ts';

const ROOT = join(import.meta.dirname, '..');
/** What a parser's name begins with. */
const NAMED =
  /^export (?:async )?(?:function\*?|const) ((?:decode|open|parse|read|split|unpack)(?![a-z])\w*|readers\b)/gm;

/** What is named like a parser and reads nothing of anybody else's form. */
const NO_PARSERS: Readonly<Record<string, string>> = {
  'packages/core/verify/bodies.ts openBodies': 'opens by decodeBody; verifyHistory is tried whole',
  'packages/core/verify/bodies.ts openSealed': 'likewise',
  'packages/server/audit/part.ts readTile': 'gives bytes of the length that a tile has',
  'packages/server/audit/source.ts readResource': 'gives a file’s bytes as they are, up to a bound',
  'packages/server/cli/ceremony.ts readSheets':
    'cuts a text into as many lines as a share has, for readShare or the keeper',
  'packages/server/cli/commands/backup.ts readPart': 'chooses between options already parsed',
  'packages/keeper/backups.ts readBackups': 'gives a file’s text to parseBackups',
  'packages/server/cli/commands/backup.ts readParts': 'likewise',
  'packages/server/cli/files.ts readBytes': 'gives a file’s bytes as they are, up to a bound',
  'packages/server/cli/files.ts readChunks': 'gives a file’s bytes as they are',
  'packages/server/cli/files.ts readInput': 'gives a text as it is, up to a bound',
  'packages/server/cli/files.ts readText': 'gives a text as it is, up to a bound',
  'packages/server/cli/instance.ts openApi': 'opens a connection',
  'packages/server/cli/seals.ts readSeal': 'chooses a term of rules already parsed',
  'packages/server/demo/generate/calendar.ts parseDay': 'reads days that the demonstration wrote',
  'packages/server/demo/scenario.ts readDemoFile': 'gives a file of ours as it is',
  'packages/server/demo/set-up.ts readHoldings': 'reads files of ours, by readDeclaration',
  'packages/server/disclosure/open.ts openEntered':
    'opens by decodeSealedGroups, openOnce, decodeGroup',
  'packages/server/holdings/shipped.ts readShipped': 'gives a file of ours as it is',
  'packages/server/custody/rows/csv.ts openCsv': 'readTable chooses it, and is tried whole',
  'packages/server/custody/rows/json-lines.ts openJsonLines': 'likewise',
  'packages/server/custody/rows/xlsx/parts.ts readStyles': 'likewise, with each part changed',
  'packages/server/custody/rows/xlsx/sheet.ts readSheet': 'likewise',
  'packages/server/custody/rows/xlsx/xlsx.ts openXlsx': 'likewise',
  'packages/server/log/keys.ts readLogKeys': 'reads files by readLogKey',
  'packages/server/storage/sqlite.ts openDatabase': 'the form is SQLite’s, and SQLite reads it',
  'packages/server/storage/sqlite.ts openDatabaseForReading': 'likewise',
  'packages/web/src/person/session.ts openHistory': 'fetches; reads by verifyHistory and readHeld',
  'packages/web/src/tiles.ts readEntryBundle': 'fetches; whoever asked reads by decodeEntryBundle',
};

const parsers = [
  ...(await coreParsers()),
  ...(await keeperParsers()),
  ...(await serverParsers()),
  ...webParsers,
];

/** Everything exported that is named like a parser, as `file name`. */
function namedLikeParsers(): readonly string[] {
  const files = globSync('packages/{core,keeper,server,web/src}/**/*.{ts,tsx}', {
    cwd: ROOT,
    exclude: (path) => path.includes('node_modules') || path.endsWith('dist'),
  });
  return files
    .filter((file) => !/(?:\.test\.tsx?$|\/_[^/]+$)/.test(file))
    .flatMap((file) =>
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(NAMED)].map(
        ([, name]) => `${file} ${name}`,
      ),
    );
}

describe('the table of parsers', () => {
  it('has everything that is named like one, or the reason why not', () => {
    const found = namedLikeParsers();
    assert.ok(found.length > 60, `${found.length} found`);
    // "name, as something" and "name.member" are more of the same.
    const known = new Set([
      ...parsers.map(({ file, name }) => `${file} ${name.split(/[,.]/)[0]}`),
      ...Object.keys(NO_PARSERS),
    ]);
    assert.deepEqual(
      found.filter((each) => !known.has(each)),
      [],
    );
    assert.deepEqual(
      Object.keys(NO_PARSERS).filter((each) => !found.includes(each)),
      [],
    );
  });

  it('has each once', () => {
    const names = parsers.map(({ file, name }) => `${file} ${name}`);
    assert.equal(new Set(names).size, names.length);
  });
});

describe('whatever comes, a parser gives a value or the error that it names', () => {
  for (const { file, name, fuzz } of parsers) it(`${name} of ${file}`, fuzz);
});

describe('a long input of one piece over and over comes to its end', () => {
  for (const { file, name, strain } of parsers) it(`${name} of ${file}`, strain);
});
