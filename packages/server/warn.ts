/** A line for the operator. Its facts are names, codes and counts: never about a person. */
export type Warn = (event: string, facts: Readonly<Record<string, string | number>>) => void;

/** A failure for a log line. Messages may be a library's, and say anything: only what names it is told. */
export function namesOf(error: unknown): Readonly<Record<string, string>> {
  const { name, code, cause } = (error ?? {}) as {
    readonly name?: unknown;
    readonly code?: unknown;
    readonly cause?: { readonly code?: unknown } | null;
  };
  const names = { error: name, code, cause: cause?.code };
  return Object.fromEntries(
    Object.entries(names).flatMap(([each, found]) =>
      found === undefined ? [] : [[each, String(found)]],
    ),
  );
}
