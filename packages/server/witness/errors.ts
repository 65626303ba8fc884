/** Why a witness does not cosign. Closed, so that a `switch` on a code is complete. */
export type WitnessRefusal =
  | 'malformed'
  | 'old-size-larger'
  | 'unknown-log'
  | 'not-signed'
  | 'inconsistent'
  | 'forked';

/** What each refusal means over HTTP (C2SP tlog-witness), in words that hold nothing of what was sent. */
export const refusals: Readonly<
  Record<WitnessRefusal, { readonly status: 400 | 403 | 404 | 422; readonly title: string }>
> = {
  malformed: { status: 400, title: 'not an old size, a consistency proof and a signed checkpoint' },
  'old-size-larger': { status: 400, title: 'the old size is larger than the checkpoint’s' },
  'unknown-log': { status: 404, title: 'no log of this origin is witnessed here' },
  'not-signed': { status: 403, title: 'the log’s key has not signed this checkpoint' },
  inconsistent: { status: 422, title: 'the proof does not lead from the old tree to this one' },
  forked: { status: 422, title: 'another root was cosigned for this size' },
};

/** What is wrong with a witness's folder. */
export type WitnessErrorCode =
  | 'folder-taken'
  | 'no-witness'
  | 'bad-settings'
  | 'bad-key'
  | 'key-open'
  | 'state-lost';

/** What making or opening a witness's folder throws. The message says what to do, and holds no key. */
export class WitnessError extends Error {
  override name = 'WitnessError';
  readonly code: WitnessErrorCode;

  constructor(code: WitnessErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
