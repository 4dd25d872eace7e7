// What the page does by itself while it is open. Without it everything works
// but the live list.
(function () {
  'use strict';

  // Relative times grow old. These are the words of ago in words.go.
  function span(s) {
    if (s < 60) return Math.max(1, Math.floor(s)) + ' s';
    if (s < 3600) return Math.floor(s / 60) + ' min';
    if (s < 48 * 3600) return Math.floor(s / 3600) + ' h';
    return Math.floor(s / 86400) + ' days';
  }
  // The server's clock counts, not this machine's.
  var skew = Date.parse(document.querySelector('meta[name="served-at"]').content) - Date.now();
  function age() {
    var now = Date.now() + skew;
    document.querySelectorAll('time[data-ago]').forEach(function (t) {
      var s = (now - Date.parse(t.dateTime)) / 1000;
      var text = Math.abs(s) < 10 ? 'just now' : s < 0 ? 'in ' + span(-s) : span(s) + ' ago';
      if (t.textContent !== text) t.textContent = text;
    });
  }
  setInterval(age, 10000);

  // A notice is given once: a reload is no second success.
  var here = new URL(location.href);
  if (here.searchParams.has('notice')) {
    here.searchParams.delete('notice');
    history.replaceState(null, '', here);
  }

  // Where a form has changed the page under the focus, the answer gets it.
  document.addEventListener('htmx:afterSettle', function () {
    if (document.activeElement && document.activeElement !== document.body) return;
    var answer = document.querySelector('.notice') || document.querySelector('main');
    if (answer) answer.focus({ preventScroll: true });
  });

  // A player does not say why it cannot play; whoever asks for the recording is
  // told.
  document.addEventListener('error', function (e) {
    var player = e.target, said = document.getElementById('unplayable');
    if (!(player instanceof HTMLAudioElement) || !said) return;
    fetch(player.currentSrc, { headers: { Range: 'bytes=0-0' } }).then(function (answer) {
      if (!answer.ok && /^text\/plain/.test(answer.headers.get('Content-Type'))) return answer.text();
      if (answer.body) answer.body.cancel();
      return 'This browser cannot play it.';
    }, function () {
      return 'Ringpost does not answer. Try again later.';
    }).then(function (why) {
      said.textContent = why;
    });
  }, true);

  // The list is live while it is looked at. A browser opens few connections to
  // one server, so a tab in the background gives its own back.
  var source = null;
  var shown = ''; // which list the browser shows, in the server's words
  htmx.createEventSource = function (url) {
    source = new EventSource(url);
    return source;
  };
  function say(el, state) {
    el.dataset.live = state;
    el.querySelector('.live-words').textContent = el.dataset[state];
  }
  document.addEventListener('htmx:sseOpen', function (e) { say(e.target, 'on'); });
  document.addEventListener('htmx:sseError', function (e) { say(e.target, 'off'); });
  document.addEventListener('htmx:sseMessage', function (e) {
    shown = e.detail.lastEventId || shown;
  });
  document.addEventListener('visibilitychange', function () {
    var old = document.getElementById('live');
    if (!old) return;
    if (source) source.close();
    source = null;
    old.removeAttribute('sse-connect');
    say(old, 'off');
    if (document.hidden) return;
    var url = new URL(old.dataset.source, location.href);
    if (shown) url.searchParams.set('have', shown);
    var fresh = old.cloneNode(true);
    fresh.setAttribute('sse-connect', url.pathname + url.search);
    old.replaceWith(fresh);
    htmx.process(fresh);
  });
})();
