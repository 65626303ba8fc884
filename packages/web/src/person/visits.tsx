import type { Directory } from '../directory.ts';
import { useWords } from '../use-words.ts';
import { EntryProof } from './entry-proof.tsx';
import type { Told } from './look-ups.ts';

const KINDS = ['sign-in', 'code', 'protected', 'unprotected', 'erased'] as const;

/** Her own sign-ins and what else was done about her access, apart from the look-ups. */
export function Visits({
  visits,
  directory,
}: {
  readonly visits: readonly Told[];
  readonly directory: Directory;
}) {
  const { t, format, language } = useWords();
  return (
    <section aria-labelledby="visits">
      <h2 id="visits">{t('visits.title')}</h2>
      <p>{t('visits.text')}</p>
      {visits.length === 0 && <p>{t('visits.none')}</p>}
      <ol className="visits">
        {visits.map((told) => (
          <li key={told.key} data-kind={told.statement.kind}>
            <p>
              <time dateTime={new Date(told.statement.time).toISOString()}>
                {format.dateTime(told.statement.time)}
              </time>
              <b>{t(`visits.${visitKind(told)}`)}</b>
              <span>{directory.controllerName(told.controller, language)}</span>
            </p>
            {told.alias && <p>{t('visits.byNumber')}</p>}
            {!told.entry.sound && <p className="unsound">{t('lookUps.unsound')}</p>}
            <EntryProof told={told} directory={directory} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function visitKind({ statement: { kind } }: Told): (typeof KINDS)[number] {
  return KINDS.find((each) => each === kind) ?? 'sign-in';
}
