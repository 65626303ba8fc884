import { readdir } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { allExtensions, cruise } from 'dependency-cruiser';
import { importRules } from './import-rules.ts';

/** The folders whose TypeScript is checked, where they exist. */
const FOLDERS = ['packages', 'scripts', 'tests', 'bench'];
const NOT_OURS = /(^|\/)(node_modules|dist)(\/|$)/;
const SOURCE = /\.tsx?$/;

/** What was read and what is wrong with it; no problems means that every rule holds. */
export interface ImportReport {
  readonly modules: number;
  readonly imports: number;
  readonly problems: readonly string[];
}

/**
 * Checks the imports of every TypeScript file under `root` against `importRules`. A file that was not
 * read is a problem, and so is a root without files: a reader that finds nothing finds no violation.
 */
export async function checkImports(root: string): Promise<ImportReport> {
  const onDisk = await sourceFiles(root);
  if (onDisk.length === 0) {
    return { modules: 0, imports: 0, problems: [`no TypeScript file was found under ${root}`] };
  }

  // Without a TypeScript that it knows, the reader would take every file for one without imports.
  const reads = allExtensions.find(({ extension }) => extension === '.ts');
  if (!reads?.available) {
    return {
      modules: 0,
      imports: 0,
      problems: ['dependency-cruiser does not read TypeScript here'],
    };
  }

  const { output } = await cruise(onDisk, {
    baseDir: root,
    ruleSet: { forbidden: importRules.map((rule) => ({ severity: 'error', ...rule })) },
    validate: true,
    // Types count: an import that is erased still ties its file to the other.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    // Without the condition "node": what is resolved is what a browser would get.
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'default'],
      extensions: ['.ts', '.tsx', '.d.ts', '.js', '.json'],
    },
  });
  if (typeof output === 'string') throw new Error('the reader of imports gave no modules');

  const read = new Map(output.modules.map((module) => [module.source, module]));
  const unread = onDisk.filter((file) => !read.has(file));
  const ours = onDisk.flatMap((file) => read.get(file) ?? []);
  return {
    modules: ours.length,
    imports: ours.reduce((sum, module) => sum + module.dependencies.length, 0),
    problems: [
      ...unread.map((file) => `${file} was not read`),
      ...output.summary.violations.map(
        ({ rule, from, to, cycle, via }) =>
          `${rule.name}: ${[from, ...(cycle ?? via ?? [{ name: to }]).map(({ name }) => name)].join(' → ')}`,
      ),
    ],
  };
}

async function sourceFiles(root: string): Promise<string[]> {
  const files: string[] = [];
  for (const folder of FOLDERS) {
    const entries = await readdir(join(root, folder), {
      withFileTypes: true,
      recursive: true,
    }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    for (const entry of entries) {
      const path = relative(root, join(entry.parentPath, entry.name));
      if (entry.isFile() && SOURCE.test(path) && !NOT_OURS.test(path)) files.push(path);
    }
  }
  return files.sort();
}

if (import.meta.main) {
  const report = await checkImports(dirname(import.meta.dirname));
  for (const problem of report.problems) console.error(problem);
  console.log(
    `${report.modules} modules read, ${report.imports} imports, ${report.problems.length} problems`,
  );
  if (report.problems.length > 0) {
    const rules = importRules.map(({ name, comment }) => `  ${name}: ${comment}`);
    console.error(`the rules (scripts/import-rules.ts):\n${rules.join('\n')}`);
    process.exitCode = 1;
  }
}
