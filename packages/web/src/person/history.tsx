import { useMemo } from 'react';
import type { Directory } from '../directory.ts';
import { useWords } from '../use-words.ts';
import { BundleSection } from './bundle-section.tsx';
import { HeldSection } from './held-section.tsx';
import { LookUpList } from './look-up-list.tsx';
import { tellHistory } from './look-ups.ts';
import { MonthsChart } from './months-chart.tsx';
import type { PersonSession } from './session.ts';
import { Verdict } from './verdict.tsx';
import { Visits } from './visits.tsx';

const SECTIONS = [
  ['held', 'held.title'],
  ['look-ups', 'lookUps.title'],
  ['visits', 'visits.title'],
  ['withheld', 'withheld.title'],
  ['bundle', 'bundle.title'],
] as const;

/** What the page shows once her code has opened it. */
export function History({
  session,
  directory,
  onClose,
}: {
  readonly session: PersonSession;
  readonly directory: Directory;
  readonly onClose: () => void;
}) {
  const { t } = useWords();
  const { verification, brokenGlass, held, withheld } = session;
  const history = useMemo(() => tellHistory(verification), [verification]);
  return (
    <>
      <Verdict
        verification={verification}
        brokenGlass={brokenGlass}
        completeTo={history.completeTo}
        directory={directory}
      />
      <nav className="contents" aria-label={t('person.onThisPage')}>
        <ul>
          {SECTIONS.map(([id, title]) => (
            <li key={id}>
              <a href={`#${id}`}>{t(title)}</a>
            </li>
          ))}
        </ul>
      </nav>
      <p className="actions">
        <button type="button" className="quiet" onClick={() => print()}>
          {t('person.print')}
        </button>
        <button type="button" className="quiet" onClick={onClose}>
          {t('person.close')}
        </button>
      </p>
      <HeldSection held={held} directory={directory} />
      <LookUpList history={history} verified={verification.verified} directory={directory} />
      {history.lookUps.length > 0 && (
        <MonthsChart lookUps={history.lookUps} now={history.completeTo ?? Date.now()} />
      )}
      <Visits visits={history.visits} directory={directory} />
      <section aria-labelledby="withheld">
        <h2 id="withheld">{t('withheld.title')}</h2>
        <p>{t(withheld.possible ? 'withheld.possible' : 'withheld.never')}</p>
      </section>
      <BundleSection verification={verification} />
    </>
  );
}
