import { ApiError } from '../api.ts';
import { useWords } from '../use-words.ts';

/** What can go wrong before anything is shown, each with a sentence that says what to do. */
export type ProblemCode =
  | 'unreachable'
  | 'unavailable'
  | 'tooMany'
  | 'unknownCode'
  | 'clock'
  | 'unsupported';

const BY_CODE: Readonly<Record<string, ProblemCode>> = {
  unreachable: 'unreachable',
  'too-many-requests': 'tooMany',
  'too-many-attempts': 'tooMany',
  'unknown-code': 'unknownCode',
  stale: 'clock',
  'clock-ahead': 'clock',
};

/** The problem that an error stands for. */
export function problemOf(error: unknown): ProblemCode {
  if (error instanceof ApiError) return BY_CODE[error.code] ?? 'unavailable';
  // Without WebCrypto, or without an algorithm of it, there is nothing to check with.
  const isOld = error instanceof DOMException && error.name === 'NotSupportedError';
  return isOld || typeof crypto.subtle !== 'object' ? 'unsupported' : 'unavailable';
}

/** Says what went wrong and what to do. */
export function Problem({
  code,
  onAgain,
}: {
  readonly code: ProblemCode;
  readonly onAgain?: () => void;
}) {
  const { t } = useWords();
  return (
    <div className="problem" role="alert" data-problem={code}>
      <h2>{t('problem.title')}</h2>
      <p>{t(`problem.${code}`)}</p>
      {onAgain !== undefined && (
        <button type="button" onClick={onAgain}>
          {t('problem.again')}
        </button>
      )}
    </div>
  );
}
