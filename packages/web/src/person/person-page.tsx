import { useEffect, useRef, useState } from 'react';
import type { Instance } from '../api.ts';
import type { Directory } from '../directory.ts';
import type { ProblemCode } from '../parts/problem.tsx';
import { Problem, problemOf } from '../parts/problem.tsx';
import { useWords } from '../use-words.ts';
import { CodeForm } from './code-form.tsx';
import { History } from './history.tsx';
import type { PersonSession } from './session.ts';
import { openHistory } from './session.ts';

/** The person's own page: her code, and then what is held about her and who looked. */
export function PersonPage({
  instance,
  directory,
  session,
  onSession,
}: {
  readonly instance: Instance;
  readonly directory: Directory;
  readonly session: PersonSession | null;
  readonly onSession: (session: PersonSession | null) => void;
}) {
  const { t } = useWords();
  const [state, setState] = useState<'ready' | 'busy' | ProblemCode>('ready');
  const heading = useRef<HTMLHeadingElement>(null);
  const isOpen = session !== null;
  const wasOpen = useRef(isOpen);

  useEffect(() => {
    if (isOpen !== wasOpen.current) heading.current?.focus();
    wasOpen.current = isOpen;
  }, [isOpen]);

  const open = async (code: string) => {
    setState('busy');
    try {
      onSession(await openHistory(code, instance));
      setState('ready');
    } catch (error) {
      setState(problemOf(error));
    }
  };

  return (
    <>
      <h1 ref={heading} tabIndex={-1}>
        {t('person.title')}
      </h1>
      {session === null ? (
        <>
          <p className="lead">{t('person.lead')}</p>
          {state !== 'ready' && state !== 'busy' && <Problem code={state} />}
          <CodeForm busy={state === 'busy'} onCode={open} />
          <p role="status">{state === 'busy' ? t('wait.checking') : ''}</p>
          <section className="aside">
            <h2>{t('person.privacyTitle')}</h2>
            <p>{t('person.privacy')}</p>
            <p>{t('person.noCode')}</p>
          </section>
        </>
      ) : (
        <History session={session} directory={directory} onClose={() => onSession(null)} />
      )}
    </>
  );
}
