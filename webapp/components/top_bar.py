"""What the bar above every page has for whoever is signed in: the search, and the bell with what one is told.

Plain text for the template engine; `static/search.js` and `static/lab.js` bring it to life.
"""

SEARCH = """
<form class="search" action="search" role="search">
  <input type="search" name="q" placeholder="Search" aria-label="Search projects and jobs" maxlength="200"
    role="combobox" aria-expanded="false" aria-controls="found-list" aria-autocomplete="list" autocomplete="off"
    spellcheck="false" aria-keyshortcuts="Control+K">
  <kbd aria-hidden="true">Ctrl K</kbd>
  <div class="found" hidden>
    <div id="found-list" role="listbox" aria-label="Found projects and jobs"></div>
    <p class="found-note" role="status"></p>
    <p class="found-tips">Filters: <code>tag:best</code> <code>state:failed</code> <code>type:refine</code>
      <code>by:me</code> <code>in:project</code> <code>is:starred</code></p>
  </div>
</form>
"""
BELL = """
<div class="bell-place">
  <button class="bell" type="button" aria-expanded="false" aria-controls="bell-list" aria-label="Notices">
    <svg viewBox="0 0 20 20" width="17" height="17" aria-hidden="true" fill="none" stroke="currentColor"
      stroke-width="1.6" stroke-linejoin="round" stroke-linecap="round"><path d="M10 2.6a5 5 0 0 0-5 5v3.2L3.6 14h12.8
      L15 10.8V7.6a5 5 0 0 0-5-5zM8.2 16.4a1.9 1.9 0 0 0 3.6 0"/></svg><span class="count" hidden></span></button>
  <div class="bell-list" id="bell-list" role="region" aria-label="Notices" hidden></div>
</div>
"""
SCRIPTS = """
  <link rel="stylesheet" href="assets/lab.css">
  <script src="assets/lab.js" defer></script>
  <script src="assets/search.js" defer></script>
"""
