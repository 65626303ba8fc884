/**
 * How a command ends badly. `wrong-usage`: the command line is wrong (exit 2) · `refused`: a rule refused it ·
 * `failed`: it could not be done · `interrupted`: somebody pressed Ctrl-C. The last three exit with 1.
 */
export type CliErrorCode = 'wrong-usage' | 'refused' | 'failed' | 'interrupted';

/** What else is known of it. */
export interface CliErrorFacts extends ErrorOptions {
  /** The code of whoever refused, such as 'not-two-administrators'. */
  readonly reason?: string;
  /** The rule that decided, where one did. */
  readonly rule?: string;
  /** What to do now. */
  readonly remedy?: string;
}

/** A command's refusal or failure, in words for whoever typed it. Never holds an identifier, a code or a key. */
export class CliError extends Error {
  override name = 'CliError';
  readonly code: CliErrorCode;
  readonly reason: string | null;
  readonly rule: string | null;
  readonly remedy: string | null;

  constructor(code: CliErrorCode, message: string, facts: CliErrorFacts = {}) {
    super(message, facts);
    this.code = code;
    this.reason = facts.reason ?? null;
    this.rule = facts.rule ?? null;
    this.remedy = facts.remedy ?? null;
  }
}

/** The command line is wrong: exit 2, with a pointer to the command's help. */
export function wrongUsage(message: string): CliError {
  return new CliError('wrong-usage', message);
}
