// The console's script: live pages, copying, countdowns, local times, forms that keep what was typed.
// Every page works without it; nothing here decides anything.
"use strict";
(() => {
  const body = document.body;
  const words = body.dataset;
  const lang = document.documentElement.lang;
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => root.querySelectorAll(selector);
  const say = (text) => { const said = find("#said"); if (said) said.textContent = text; };

  // --- Times: shown in the browser's zone, in the page's language. ---
  let ahead = 0; // how far the server's clock is ahead of ours, in ms
  const date = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(lang, { timeStyle: "medium" });
  const span = (ms) => {
    const s = Math.ceil(ms / 1000);
    if (s < 90) return `${s} ${lang === "el" ? "δ." : "s"}`;
    const m = Math.round(s / 60);
    if (m < 90) return `${m} ${lang === "el" ? "λ." : "min"}`;
    return `${Math.round(m / 60)} ${lang === "el" ? "ώ." : "h"}`;
  };
  const localise = (time) => {
    const at = new Date(time.dateTime);
    if (isNaN(at) || time.dataset.shown === time.dateTime) return;
    time.dataset.shown = time.dateTime;
    const today = new Date().toDateString() === at.toDateString();
    time.textContent = (today ? clock : date).format(at);
    time.title = date.format(at);
  };
  const count = (time) => {
    const left = Number(time.dataset.until) - (Date.now() + ahead);
    const text = left <= 0 ? words.now : words.in.replace("{span}", span(left));
    if (time.textContent !== text) time.textContent = text;
  };
  const refresh = (root = document) => {
    all("time:not(.countdown)", root).forEach(localise);
    all("time.countdown", root).forEach(count);
  };

  // --- A page is changed into a newer one in place: focus, open details and what was typed stay. ---
  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || "") === (b.id || "");
  const morph = (from, to) => {
    if (from.nodeType === 3) { if (from.data !== to.data) from.data = to.data; return; }
    if (from.nodeType !== 1 || from.hasAttribute("data-keep")) return;
    if (from.nodeName === "TIME" && from.dateTime === to.dateTime) return;
    if (from.nodeName === "TIME") delete from.dataset.shown;
    for (const { name, value } of [...to.attributes]) if (from.getAttribute(name) !== value) from.setAttribute(name, value);
    for (const { name } of [...from.attributes]) {
      const ours = name === "open" || name === "title" || name.startsWith("data-shown") || name === "aria-busy";
      if (!to.hasAttribute(name) && !ours) from.removeAttribute(name);
    }
    children(from, to);
  };
  const children = (from, to) => {
    const known = new Map([...from.children].filter((child) => child.id).map((child) => [child.id, child]));
    let at = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      const held = wanted.nodeType === 1 && wanted.id ? known.get(wanted.id) : null;
      if (held && same(held, wanted)) {
        if (held !== at) from.insertBefore(held, at); else at = at.nextSibling;
        morph(held, wanted);
      } else if (at && same(at, wanted) && !(at.id && !wanted.id)) {
        const next = at.nextSibling;
        morph(at, wanted);
        at = next;
      } else {
        from.insertBefore(document.importNode(wanted, true), at);
      }
    }
    while (at) { const next = at.nextSibling; at.remove(); at = next; }
  };
  const parsed = (html) => new DOMParser().parseFromString(html, "text/html");
  const show = (html) => {
    const live = find("#live");
    children(live, parsed(`<div>${html}</div>`).body.firstChild);
    refresh(live);
  };

  // --- Live updates: one stream of this page, while it is looked at. ---
  let stream = null, retry = 0, timer = 0, lastGood = Date.now(), reason = "";
  const stale = () => {
    const box = find("#stale");
    if (!box) return;
    const old = Date.now() - lastGood;
    box.hidden = !reason;
    if (!reason) return;
    const text = `${reason} ${words.old.replace("{span}", span(old))}`;
    if (box.textContent !== text) box.textContent = text;
  };
  const close = () => { clearTimeout(timer); if (stream) stream.close(); stream = null; };
  const open = () => {
    close();
    const place = find("#live")?.dataset.live;
    if (!place || document.hidden) return;
    const own = stream = new EventSource(place);
    const heard = (event) => { retry = 0; lastGood = Date.now(); reason = ""; ahead = Number(event.lastEventId) - Date.now(); };
    own.addEventListener("page", (event) => { heard(event); show(event.data); stale(); body.dataset.live = "on"; });
    own.addEventListener("stale", (event) => { if (!reason) reason = event.data; stale(); });
    own.addEventListener("over", () => { close(); location.reload(); });
    own.onerror = () => {
      if (own !== stream) return;
      close();
      reason = retry > 3 && navigator.onLine && retry % 4 === 0 ? words.full : words.lost;
      body.dataset.live = "off";
      stale();
      timer = setTimeout(open, Math.min(500 * 2 ** retry++, 15000));
    };
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("online", open);
  addEventListener("pagehide", close);

  // --- Copying. ---
  const copy = async (button) => {
    const text = button.dataset.copy;
    try { await navigator.clipboard.writeText(text); } catch {
      // Without TLS there is no clipboard to write to, but a selection can be copied.
      const field = document.createElement("textarea");
      field.value = text;
      field.className = "visually-hidden";
      body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
      button.focus();
    }
    const before = button.dataset.before ??= button.textContent;
    button.textContent = words.copied;
    say(words.copied);
    setTimeout(() => { button.textContent = before; }, 1500);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-copy]");
    if (button) copy(button);
    const popup = find("details.popup[open]");
    if (popup && !popup.contains(event.target)) popup.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const popup = event.key === "Escape" && find("details.popup[open]");
    if (popup) { popup.open = false; find("summary", popup).focus(); }
  });

  // --- A search that has looked at the newest messages only goes on by itself, until a page is full or all was looked at. ---
  const further = async () => {
    let box;
    while ((box = find("#further[data-further]"))) {
      const next = find(".pager a:last-child", box).href;
      box.textContent = box.dataset.looking;
      let page;
      try {
        const answer = await fetch(next);
        if (!answer.ok) throw answer.status;
        page = parsed(await answer.text());
      } catch { location.assign(next); return; }
      const [rows, more] = [find("#found tbody"), find("#found tbody", page)];
      if (rows && more) rows.append(...more.children);
      else if (more || !find("#further[data-further]", page) && !rows) find("#found").replaceWith(find("#found", page));
      const rest = find("#further", page);
      if (all("#found tbody tr").length >= Number(box.dataset.further)) delete rest.dataset.further;
      box.replaceWith(rest);
      refresh();
    }
    if (find("#further")) say(find("#found").innerText.slice(0, 200));
  };

  // --- Forms: an answer that says no leaves what was typed where it is. ---
  const sent = (form, submitter) => new URLSearchParams(new FormData(form, submitter));
  const put = (page, selector) => {
    const [from, to] = [find(selector), find(selector, page)];
    if (from && to) { from.replaceChildren(...[...to.childNodes].map((node) => document.importNode(node, true))); refresh(from); }
  };
  const post = async (form, submitter) => {
    form.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(form.action, { method: "POST", body: sent(form, submitter) });
      if (answer.redirected) { location.assign(answer.url); return; }
      const page = parsed(await answer.text());
      if (form.dataset.preview && answer.ok) {
        put(page, "#try-answer");
        put(page, `#${form.dataset.preview}`);
        return;
      }
      if (!answer.ok && find("#notices", page)?.textContent.trim()) put(page, "#notices");
      else { close(); put(page, "#notices"); put(page, "#live"); }
      find("#main").scrollIntoView();
      find("#notices [role=alert]")?.setAttribute("tabindex", "-1");
      find("#notices [role=alert]")?.focus();
    } catch { reason = words.lost; stale(); } finally { form.removeAttribute("aria-busy"); }
  };
  const go = async (form) => {
    const place = `${form.action.split("?")[0]}?${sent(form)}`;
    const answer = await fetch(place);
    if (!answer.ok) { location.assign(place); return; }
    const live = find("#live", parsed(await answer.text()));
    history.replaceState(null, "", place);
    find("#live").dataset.live = live.dataset.live;
    show(live.innerHTML);
    open();
  };
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method === "post" && !form.closest("#main.sign-in, .preferences, .sheet")) {
      event.preventDefault();
      if (!form.hasAttribute("aria-busy")) post(form, event.submitter);
    }
  });
  document.addEventListener("input", (event) => {
    const { form, dataset } = event.target;
    if (dataset.shows) {
      const time = document.createElement("time");
      time.dateTime = new Date(Number(event.target.value)).toISOString();
      find(`#${dataset.shows}`).replaceChildren(time);
      refresh();
    }
    if (form?.dataset.preview) {
      clearTimeout(form.later);
      form.later = setTimeout(async () => {
        const fields = sent(form);
        fields.set("do", "show");
        const answer = await fetch(form.action, { method: "POST", body: fields });
        if (answer.ok) put(parsed(await answer.text()), `#${form.dataset.preview}`);
      }, 250);
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.form?.hasAttribute("data-auto")) go(event.target.form);
  });

  // What was done is said once: a reload, or a copied address, says nothing.
  const here = new URL(location.href);
  if (here.searchParams.has("done")) {
    here.searchParams.delete("done");
    history.replaceState(null, "", here);
    const live = find("#live");
    if (live?.dataset.live) live.dataset.live = here.pathname + here.search;
  }
  // On a phone the menu is a strip: the present page is brought into its middle, without moving where Tab begins.
  const menu = find(".menu"), current = find(".menu [aria-current]");
  if (current) menu.scrollLeft = current.offsetLeft - (menu.clientWidth - current.offsetWidth) / 2;
  refresh();
  further();
  setInterval(() => { all("time.countdown").forEach(count); stale(); }, 500);
  open();
})();
