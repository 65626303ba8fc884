import type { Declaration } from '@amanat/core/grants';
import { parseDeclarationFile } from '../holdings/holdings.ts';
import { CliError } from './errors.ts';

/** A holding as its file has it, before the log has given it a version. */
export type HoldingFile = Omit<Declaration, 'version'>;

/**
 * Reads a holding's YAML into the document that is signed.
 * @throws CliError 'failed' naming every place that is wrong
 */
export function readDeclaration(bytes: Uint8Array): HoldingFile {
  const parsed = parseDeclarationFile(bytes);
  if (parsed.ok) {
    const { version: _, ...declaration } = parsed.declaration;
    return declaration;
  }
  const problems = parsed.problems.map(
    ({ path, code, expected }) => `${path || 'file'}: ${code}, expected ${expected}`,
  );
  throw new CliError('failed', `the declaration is refused\n  ${problems.join('\n  ')}`, {
    reason: parsed.problems[0]?.code ?? 'bad-value',
  });
}
