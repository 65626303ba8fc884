import type { Declaration as DeclaredHolding } from '@amanat/core/grants';
import type { Declaration } from '../holdings/holdings.ts';
import { parseDeclarationFile } from '../holdings/holdings.ts';
import { CliError } from './errors.ts';

/** A holding as its file has it, before the log has given it a version. */
export type HoldingFile = Omit<DeclaredHolding, 'version'>;

/**
 * Reads a holding's YAML into the document that is signed.
 * @throws CliError 'failed' naming every place that is wrong
 */
export function readDeclaration(bytes: Uint8Array): HoldingFile {
  const parsed = parseDeclarationFile(bytes);
  if (parsed.ok) return toDocument(parsed.declaration);
  const problems = parsed.problems.map(
    ({ path, code, expected }) => `${path || 'file'}: ${code}, expected ${expected}`,
  );
  throw new CliError('failed', `the declaration is refused\n  ${problems.join('\n  ')}`, {
    reason: parsed.problems[0]?.code ?? 'bad-value',
  });
}

/** The same with every member written out, as the log has it: what is not there is null. */
function toDocument({ version: _, ...declaration }: Declaration): HoldingFile {
  const { email, phone, address } = declaration.controller.contact;
  return {
    ...declaration,
    controller: {
      ...declaration.controller,
      contact: { email, phone: phone ?? null, address: address ?? null },
    },
    fields: declaration.fields.map((field) => ({ ...field, values: field.values ?? null })),
  };
}
