import { formatAccessCode, parseAccessCode, readTypedCode } from '@amanat/core/verify';
import type { ChangeEvent, FormEvent, KeyboardEvent } from 'react';
import { useRef, useState } from 'react';
import { counted, useWords } from '../use-words.ts';

const CODE_DIGITS = 32;

/** Where the access code is typed or pasted. It is kept in the field alone, and handed on once. */
export function CodeForm({
  busy,
  onCode,
}: {
  readonly busy: boolean;
  readonly onCode: (code: string) => void;
}) {
  const { t, format } = useWords();
  const [typed, setTyped] = useState('');
  const [asked, setAsked] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const digits = readTypedCode(typed);

  const change = (event: ChangeEvent<HTMLTextAreaElement>) => {
    const { value, selectionStart } = event.target;
    const read = readTypedCode(value);
    // In groups while it grows at its end; an edit in the middle must not move under the typist's hands.
    const atEnd = selectionStart === value.length && value.length > typed.length;
    setTyped(read !== null && atEnd ? formatAccessCode(read) : value);
  };
  const submit = (event: FormEvent | KeyboardEvent) => {
    event.preventDefault();
    if (busy) return;
    const code = parseAccessCode(typed);
    setAsked(true);
    if (code === null) field.current?.focus();
    else onCode(code);
  };

  let error: string | null = null;
  if (digits === null) error = t('person.codeWrong');
  else if (digits.length > CODE_DIGITS) error = t('person.codeLong');
  else if (asked && digits.length < CODE_DIGITS) {
    error = t('person.codeShort', counted(CODE_DIGITS - digits.length, format));
  }
  return (
    <form className="code-form" method="post" onSubmit={submit} noValidate>
      <label htmlFor="code">{t('person.codeLabel')}</label>
      <p id="code-hint" className="hint">
        {t('person.codeHint')}
      </p>
      {error !== null && (
        <p id="code-error" className="field-error" role="alert">
          {error}
        </p>
      )}
      <textarea
        id="code"
        ref={field}
        dir="ltr"
        rows={2}
        value={typed}
        onChange={change}
        onKeyDown={(event) => event.key === 'Enter' && submit(event)}
        autoComplete="off"
        autoCapitalize="none"
        autoCorrect="off"
        spellCheck={false}
        aria-invalid={error !== null}
        aria-describedby={
          error === null ? 'code-hint code-count' : 'code-error code-hint code-count'
        }
      />
      <p id="code-count" className="hint count">
        {t('person.codeCount', counted(Math.min(digits?.length ?? 0, CODE_DIGITS), format))}
      </p>
      <button type="submit" aria-disabled={busy}>
        {t('person.open')}
      </button>
    </form>
  );
}
