// The way to every page, with its chord.
import { href } from "../lib/router";
import { PAGES, type Page } from "../routes";
import { Icon } from "../ui/icons";
import { version } from "./server";

const GROUPS = ["Explore", "Watch", "Run"] as const;

export function Rail({ current, open }: { current?: Page; open: boolean }) {
  const section = (page: Page) => current?.path === page.path || (page.path !== "/" && current?.path.startsWith(`${page.path}/`)) || (page.path === "/settings" && current?.path === "/status");
  return (
    <aside class={`rail ${open ? "open" : ""}`} aria-label="Pages">
      <a class="brand" href={href("/")} aria-label="Tarn, overview">
        <img src="./favicon.svg" alt="" width="20" height="20" />
        Tarn
      </a>
      <nav aria-label="Pages">
        {GROUPS.map((group) => (
          <>
            {group !== "Explore" && <h2>{group}</h2>}
            {PAGES.filter((page) => page.group === group).map((page) => (
              <a key={page.path} href={href(page.path)} aria-current={section(page) ? "page" : undefined}>
                {page.icon && <Icon name={page.icon} />}
                {page.title}
                {page.chord && <kbd aria-hidden="true">{page.chord}</kbd>}
              </a>
            ))}
          </>
        ))}
      </nav>
      <div class="foot">
        <a href={href("/status")}>Tarn {version.value}</a>
      </div>
    </aside>
  );
}
