/** Every way in which core refuses its input. Closed, so that a `switch` on `code` is complete. */
export type CoreErrorCode =
  | 'bad-chain'
  | 'bad-checkpoint'
  | 'bad-ciphertext'
  | 'bad-document'
  | 'bad-encoding'
  | 'bad-entry'
  | 'bad-key'
  | 'bad-note'
  | 'bad-policy'
  | 'bad-proof'
  | 'bad-share'
  | 'bad-signature'
  | 'bad-tile'
  | 'out-of-range';

/**
 * What core throws. `code` is for programs; the message is lower-case, says what was wrong with the form,
 * and never holds any part of the input.
 */
export class CoreError extends Error {
  override name = 'CoreError';
  readonly code: CoreErrorCode;

  constructor(code: CoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
