import { execFileSync } from 'node:child_process';
import { lstatSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A path into a folder of somebody's own machine, which works nowhere else. */
const MACHINE_PATH = /(?<![\w.~$}/-])\/(work|home\/\w+|Users)[/]/;

/**
 * Says what in a file would tie the project to one machine or one package registry: a path into a
 * private folder, a lock file that names where packages come from or lacks a hash, a registry in .npmrc.
 */
export function findTies(path: string, text: string): string[] {
  const ties = text
    .split('\n')
    .flatMap((line, index) =>
      MACHINE_PATH.test(line) ? [`${path}:${index + 1}: a path of one machine`] : [],
    );
  if (path.endsWith('.npmrc') && /registry\s*=/.test(text)) ties.push(`${path}: names a registry`);
  if (path.endsWith('package-lock.json')) ties.push(...findLockTies(path, text));
  return ties;
}

interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      { readonly resolved?: string; readonly integrity?: string; readonly link?: true }
    >
  >;
}

function findLockTies(path: string, text: string): string[] {
  const { packages } = JSON.parse(text) as Lock;
  return Object.entries(packages).flatMap(([name, { resolved, integrity, link }]) => {
    if (resolved !== undefined && /^[a-z+]+:/.test(resolved)) {
      return [`${path}: ${name} names the host of a registry`];
    }
    const ours = link === true || !name.startsWith('node_modules/');
    return ours || integrity !== undefined ? [] : [`${path}: ${name} has no hash`];
  });
}

/** What git has or would add, so neither dependencies nor anything built. */
function projectFiles(root: string): string[] {
  return execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
    .split('\0')
    .filter(
      (path) => path !== '' && lstatSync(join(root, path), { throwIfNoEntry: false })?.isFile(),
    );
}

if (import.meta.main) {
  const root = dirname(import.meta.dirname);
  const files = projectFiles(root);
  const ties = files.flatMap((path) => {
    const bytes = readFileSync(join(root, path));
    return bytes.includes(0) ? [] : findTies(path, bytes.toString('utf8'));
  });
  for (const tie of ties) console.error(tie);
  console.log(`${files.length} files read, ${ties.length} ties to one machine or registry`);
  if (files.length === 0 || ties.length > 0) process.exitCode = 1;
}
