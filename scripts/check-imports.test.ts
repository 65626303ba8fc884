import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { ImportReport } from './check-imports.ts';
import { checkImports } from './check-imports.ts';

type Files = Readonly<Record<string, string>>;

const X = 'export const x = 1;';

/** A project that keeps every rule, with one import of each kind that is allowed. */
const SOUND: Files = {
  'packages/core/package.json': JSON.stringify({
    name: '@amanat/core',
    exports: { './keys': './keys/index.ts', './verify': './verify/index.ts' },
    imports: { '#sha256': { node: './sha256/node.ts', default: './sha256/noble.ts' } },
  }),
  'packages/core/keys/index.ts': `import 'node:crypto'; ${X}`,
  'packages/core/log/index.ts': `export { x } from '#sha256';`,
  'packages/core/sha256/node.ts': `import 'node:crypto'; ${X}`,
  'packages/core/sha256/noble.ts': X,
  'packages/core/verify/index.ts': `export { x } from '../log/index.ts';`,
  'packages/keeper/package.json': JSON.stringify({
    name: '@amanat/keeper',
    exports: { './client': './client.ts', './store': './store.ts' },
  }),
  'packages/keeper/client.ts': `import 'node:net'; export { x } from '@amanat/core/keys';`,
  'packages/keeper/store.ts': `import 'node:sqlite'; ${X}`,
  'packages/server/package.json': JSON.stringify({
    name: '@amanat/server',
    exports: { './api': './api.ts' },
  }),
  'packages/server/api.ts': 'export type Answer = string;',
  'packages/server/log/log.ts': X,
  'packages/server/log/routes.ts': X,
  'packages/server/log/store-sqlite.ts': X,
  'packages/server/gateway.ts': `import './log/routes.ts'; import './log/store-sqlite.ts'; ${X}`,
  'packages/server/people/people.test.ts': `import '../log/store-sqlite.ts';`,
  'packages/server/people/people.ts': `import '@amanat/keeper/client'; import '../log/log.ts';`,
  'packages/web/app.tsx': `import type { Answer } from '@amanat/server/api';
    import '@amanat/core/verify'; export const answer: Answer = '';`,
};

/** Checks the project that these files make, in a folder of its own. */
async function check(files: Files): Promise<ImportReport> {
  const root = await mkdtemp(join(tmpdir(), 'amanat-imports-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    // The links that npm makes for workspaces.
    await mkdir(join(root, 'node_modules/@amanat'), { recursive: true });
    for (const name of ['core', 'keeper', 'server', 'web']) {
      await symlink(join(root, 'packages', name), join(root, 'node_modules/@amanat', name));
    }
    return await checkImports(root);
  } finally {
    await rm(root, { recursive: true });
  }
}

test('a project without modules is refused, not passed', async () => {
  const { modules, problems } = await check({ 'packages/core/readme.md': '' });
  assert.equal(modules, 0);
  assert.match(problems.join(), /no TypeScript file was found/);
});

test('a sound project is passed and every file of it was read', async () => {
  const { modules, problems } = await check(SOUND);
  assert.deepEqual(problems, []);
  assert.equal(modules, Object.keys(SOUND).filter((path) => /\.tsx?$/.test(path)).length);
});

/** One forbidden import each: the rule that must refuse it, the file that has it, its text. */
const FORBIDDEN: readonly (readonly [rule: string, file: string, text: string])[] = [
  ['found', 'packages/server/log/log.ts', `import './nowhere.ts';`],
  ['found', 'packages/server/log/log.ts', `import '@amanat/core/log/index.ts';`],
  ['no-circle', 'packages/server/log/log.ts', `import '../people/people.ts';`],
  ['no-circle', 'packages/server/log/log.ts', `import type {} from '../people/people.ts';`],
  ['tests-apart', 'packages/server/people/officer.ts', `import './people.test.ts';`],
  ['packages-by-name', 'packages/keeper/store.ts', `import '../core/keys/index.ts';`],
  ['core-alone', 'packages/core/view.ts', `import '@amanat/keeper/client';`],
  ['core-alone', 'packages/core/view.ts', `import '@amanat/server/api';`],
  ['core-in-browser', 'packages/core/log/tile.ts', `import 'node:crypto';`],
  ['core-in-browser', 'packages/core/verify/index.ts', `import '../keys/index.ts';`],
  ['keeper-on-core', 'packages/keeper/store.ts', `import '@amanat/server/api';`],
  ['server-to-client', 'packages/server/log/log.ts', `import '@amanat/keeper/store';`],
  ['web-to-verify', 'packages/web/app.tsx', `import '@amanat/core/keys';`],
  ['web-to-verify', 'packages/web/app.tsx', `import type {} from '@amanat/keeper/client';`],
  ['web-types-of-server', 'packages/web/app.tsx', `import '@amanat/server/api';`],
  ['web-without-node', 'packages/web/app.tsx', `import 'node:crypto';`],
  ['web-without-node', 'packages/web/app.tsx', `await import('node:fs');`],
  ['parts-by-door', 'packages/server/people/people.ts', `import '../log/store-sqlite.ts';`],
  ['parts-by-door', 'packages/server/people/people.ts', `import type {} from '../log/routes.ts';`],
  ['composition-by-door', 'packages/server/gateway.ts', `import './log/inner.ts';`],
];

for (const [rule, file, text] of FORBIDDEN) {
  test(`${rule}: ${file} may not ${text}`, async () => {
    const { problems } = await check({ ...SOUND, 'packages/server/log/inner.ts': X, [file]: text });
    assert.ok(
      problems.some((problem) => problem.startsWith(`${rule}: ${file}`)),
      `found only: ${problems.join('; ')}`,
    );
  });
}
