// Title, search, time, refresh, share, theme.
import { href, param, setParams } from "../lib/router";
import { isLive, range, refresh, refreshEvery } from "../lib/time";
import { nextTheme, theme } from "../lib/theme";
import { pinnedLink } from "../lib/api";
import { Icon } from "../ui/icons";
import { Copy, Popover } from "../ui/parts";
import { me } from "../lib/session";
import { Who } from "./Who";
import { TimePicker } from "./TimePicker";

const EVERY: [number, string][] = [[0, "Off"], [5, "5 s"], [10, "10 s"], [30, "30 s"], [60, "1 min"], [300, "5 min"]];

export interface TopBarProps {
  title: string;
  timeless?: boolean;
  onMenu: () => void;
  onJump: () => void;
}

export function TopBar({ title, timeless, onMenu, onJump }: TopBarProps) {
  const shown = EVERY.find(([s]) => s === refreshEvery.value)?.[1] ?? "Off";
  return (
    <header class="topbar">
      <button class="btn plain icon burger" aria-label="Pages" onClick={onMenu}><Icon name="menu" /></button>
      <h1 class="data" title={title}>{title}</h1>
      <button class="btn plain jump" onClick={onJump} aria-label="Search or jump Ctrl K">
        <Icon name="search" /> <span>Search or jump</span> <kbd>Ctrl K</kbd>
      </button>
      {!me.value?.login && param("tenant") && param("tenant") !== "default" && (
        <button class="btn small" title="Back to the default tenant" onClick={() => setParams({ tenant: null })}>tenant {param("tenant")} <Icon name="close" size={12} /></button>
      )}
      {!timeless && <TimePicker />}
      <Popover label={`Refresh, now ${shown}`} icon="refresh" text={<span class="wide">{refreshEvery.value && isLive.value ? shown : ""}</span>} title="Refresh">
        {(close) => (
          <div class="menu">
            <button onClick={() => { refresh(); close(); }}>Refresh now <kbd>r</kbd></button>
            {EVERY.map(([s, name]) => (
              <button key={s} aria-current={refreshEvery.value === s} onClick={() => { refreshEvery.value = s; close(); }}>{s === 0 ? "Not by itself" : `Every ${name}`}</button>
            ))}
          </div>
        )}
      </Popover>
      <Popover label="Share" icon="share" text={<span class="wide">Share</span>}>
        {() => (
          <div class="menu">
            <Copy text={() => location.href} label="Link as it is (relative times stay live)" />
            <Copy text={() => pinnedLink(range.value)} label="Link pinned to these instants" />
            <a href={href("/sql")}>Ask in SQL instead</a>
          </div>
        )}
      </Popover>
      <button class="btn plain icon" aria-label={`Theme: ${theme.value}`} title={`Theme: ${theme.value}`} onClick={nextTheme}>
        <Icon name={theme.value === "light" ? "sun" : theme.value === "dark" ? "moon" : "auto"} />
      </button>
      {me.value?.login && me.value.principal && <Who name={me.value.principal.name} />}
    </header>
  );
}
