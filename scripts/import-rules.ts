import { builtinModules } from 'node:module';
import type { IForbiddenRuleType } from 'dependency-cruiser';

/**
 * The parts of the server: folders that meet only through the file that has the folder's name. storage, http and
 * config are no parts but what parts stand on, and open to all of them.
 */
const PARTS = [
  'holdings',
  'custody',
  'disclosure',
  'citizen',
  'log',
  'audit',
  'people',
  'witness',
  'cli',
  'demo',
];

/** A part's door: the file that has its folder's name. A folder within a part may have one too. */
const DOOR = '/([^/]+)/\\1\\.ts$';

/** Tests and their helpers may look inside what they test; nothing else may import them. */
const TEST = '(\\.test|/_[^/]+)\\.tsx?$';

/** Where a process is put together: these hand routes and stores to one another. */
const COMPOSITION = '^packages/server/([^/]+\\.ts$|cli/|demo/)';

/** Node's own modules, as dependency-cruiser names them: most without their "node:". */
const BUILTIN = `^(${builtinModules.join('|')})$`;

/** Which module may import which: what is listed here is refused. Paths are relative to the root. */
export const importRules: readonly IForbiddenRuleType[] = [
  {
    name: 'found',
    comment: 'every import resolves, to an exported door where it names a package',
    from: {},
    to: { couldNotResolve: true },
  },
  {
    name: 'no-circle',
    comment: 'no module imports itself by way of others, types included',
    from: {},
    to: { circular: true },
  },
  {
    name: 'tests-apart',
    comment: 'what runs in production imports no test and no helper of tests',
    from: { path: '^packages/', pathNot: TEST },
    to: { path: TEST },
  },
  {
    name: 'packages-by-name',
    comment: 'a package reaches another by its name, so through its doors, never by a path',
    from: { path: '^packages/([^/]+)/', pathNot: TEST },
    to: { path: '^packages/', pathNot: '^packages/$1/', dependencyTypes: ['local'] },
  },
  {
    name: 'core-alone',
    comment: 'core imports itself and the hash library',
    from: { path: '^packages/core/', pathNot: TEST },
    to: {
      path: '.',
      pathNot: ['^packages/core/', 'node_modules/@noble/hashes/', BUILTIN],
    },
  },
  {
    name: 'core-in-browser',
    comment: 'log and verify run in a browser: nothing they reach needs Node',
    from: { path: '^packages/core/(log|verify)/', pathNot: TEST },
    to: { path: BUILTIN, reachable: true },
  },
  {
    name: 'keeper-on-core',
    comment: 'the keeper imports itself, core and Node, no other package',
    from: { path: '^packages/keeper/', pathNot: TEST },
    to: { path: '.', pathNot: ['^packages/(core|keeper)/', BUILTIN] },
  },
  {
    name: 'server-to-client',
    comment: 'the server knows of the keeper its client and its protocol, and nothing of the pages',
    from: { path: '^packages/server/', pathNot: TEST },
    to: {
      path: '^packages/(keeper|web)/',
      pathNot: '^packages/keeper/(client|protocol)\\.ts$',
    },
  },
  {
    name: 'web-to-verify',
    comment: 'the pages import of ours only what verifies',
    from: { path: '^packages/web/', pathNot: TEST },
    to: {
      path: '^packages/(core|keeper)/',
      pathNot: '^packages/core/verify/index\\.ts$',
    },
  },
  {
    name: 'web-types-of-server',
    comment: 'the pages know the types of the API, and nothing of the server at run time',
    from: { path: '^packages/web/', pathNot: TEST },
    to: { path: '^packages/server/', dependencyTypesNot: ['type-only'] },
  },
  {
    name: 'web-without-node',
    comment: 'the pages run in a browser',
    from: { path: '^packages/web/', pathNot: [TEST, '/vite\\.config\\.ts$'] },
    to: { path: BUILTIN },
  },
  {
    name: 'parts-by-door',
    comment: 'a part of the server reaches another through <part>/<part>.ts',
    from: { path: '^packages/server/([^/]+)/', pathNot: [TEST, COMPOSITION] },
    to: {
      path: `^packages/server/(?:${PARTS.join('|')})/`,
      pathNot: ['^packages/server/$1/', DOOR],
    },
  },
  {
    name: 'composition-by-door',
    comment: 'a composition root reaches a part through <part>.ts, its routes and its stores',
    from: { path: COMPOSITION, pathNot: TEST },
    to: {
      path: `^packages/server/(?:${PARTS.join('|')})/`,
      pathNot: ['^packages/server/(?:cli|demo)/', DOOR, '/(?:routes|store-[a-z]+)\\.ts$'],
    },
  },
];
