// Every run's curve: one is found by pointing at it or by the arrow keys, and picked by a click.
const curves = document.getElementById('curves');
if (curves) {
  const data = JSON.parse(document.getElementById('curves-data').textContent);
  const plot = curves.querySelector('.plot');
  const said = curves.querySelector('output');
  const [metricChoice, seedChoice] = curves.querySelectorAll('select');
  const settingButtons = [...curves.querySelectorAll('.settings button')];
  const signs = ['', '■', '▲', '●'];  // as in report_curves.py
  const picked = { metric: 0, setting: null, seed: null };
  let pointed = null;  // { setting, seed, at }: a run, and an index of x
  let frame = null;  // how values lie on the plot, and the lines drawn

  const element = (name, attributes, text) => {
    const made = document.createElementNS(plot.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const metric = () => data.metrics[picked.metric];
  // To so many decimals or digits, or more where a number would read as 0 or 1 (100%) and is not.
  const tell = (value, write, digits, one) => {
    let text = write(value, digits);
    for (; digits < 15 && value !== Number(text) && [0, one, -one].includes(Number(text)); digits++) {
      text = write(value, digits + 1);
    }
    return text;
  };
  const fixed = (value, digits) => value.toFixed(digits);
  const precise = (value, digits) => String(Number(value.toPrecision(digits)));
  const words = value => metric().share
    ? tell(Number((100 * value).toPrecision(12)), fixed, 2, 100) + '%' : tell(value, precise, 4, 1);
  // A tick has the digits of its distance to the next one.
  const tickWords = (value, step) => {
    const scale = metric().share ? 100 : 1;
    const digits = Math.max(0, Math.min(15, -Math.floor(Math.log10(scale * step) + 1e-9)));
    const text = Math.abs(value) >= 1e6 || step < 1e-6 ? precise(scale * value, 6) : (scale * value).toFixed(digits);
    return metric().share ? text + '%' : text;
  };
  const isShown = (setting, seed) => (picked.setting === null || picked.setting === setting)
    && (picked.seed === null || picked.seed === seed);

  const lastOf = run => run.findLastIndex(value => value !== null);

  // Round steps of 1, 2 or 5 times a power of ten, about `count` of them.
  const ticks = (low, high, count) => {
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * ([1, 2, 5].find(factor => factor * power >= rough) || 10);
    const found = [];
    for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) found.push(i * step);
    return found;
  };

  const ends = numbers => numbers.reduce(
    ([low, high], number) => [Math.min(low, number), Math.max(high, number)], [Infinity, -Infinity]);
  // The runs shown get an axis of their own where they would take less than half of that of all.
  const span = (all, shown) => {
    const [whole, part] = [ends(all), ends(shown.length ? shown : all)];
    const [low, high] = part[1] - part[0] < 0.5 * (whole[1] - whole[0]) ? part : whole;
    return low === high ? [low - 0.5, high + 0.5] : [low, high];
  };

  const draw = () => {
    const width = Math.max(280, plot.clientWidth), height = plot.clientHeight;
    const edge = { left: 58, right: 12, top: 12, bottom: 44 };  // left: as its longest tick needs
    const values = metric().values;
    const points = [];
    values.forEach((seeds, setting) => seeds.forEach((run, seed) => run.forEach((value, at) => {
      if (value !== null) points.push({ x: data.x[at], y: value, shown: isShown(setting, seed) });
    })));
    const shown = points.filter(point => point.shown);
    let [low, high] = span(points.map(point => point.y), shown.map(point => point.y));
    const margin = 0.04 * (high - low);
    [low, high] = [low - margin, high + margin];
    const levels = ticks(low, high, Math.max(3, (height - edge.top - edge.bottom) / 50));
    const levelWords = levels.map(value => tickWords(value, levels.length > 1 ? levels[1] - levels[0] : high - low));
    edge.left = Math.max(edge.left, 16 + 7.8 * Math.max(...levelWords.map(text => text.length)));
    const [first, last] = span(points.map(point => point.x), shown.map(point => point.x));
    const inner = { width: width - edge.left - edge.right, height: height - edge.top - edge.bottom };
    const x = value => edge.left + (value - first) / (last - first) * inner.width;
    const y = value => edge.top + (1 - (value - low) / (high - low)) * inner.height;
    plot.setAttribute('viewBox', `0 0 ${width} ${height}`);
    plot.replaceChildren();
    levels.forEach((value, i) => {
      plot.append(element('line', { class: 'grid', x1: edge.left, x2: width - edge.right, y1: y(value), y2: y(value) }));
      plot.append(element('text', { x: edge.left - 8, y: y(value) + 4, 'text-anchor': 'end' }, levelWords[i]));
    });
    const whole = ticks(first, last, Math.max(2, inner.width / 70)).filter(Number.isInteger);
    for (const value of whole) {
      plot.append(element('text', { x: x(value), y: height - edge.bottom + 18, 'text-anchor': 'middle' }, value));
    }
    plot.append(element('text', { x: edge.left + inner.width / 2, y: height - 6, 'text-anchor': 'middle' }, data.axis));
    // A plot inside the plot cuts off what lies beyond the axes, but for a little.
    const beyond = 8, inside = element('g', { transform: `translate(${beyond - edge.left} ${beyond - edge.top})` });
    const cut = element('svg', {
      x: edge.left - beyond, y: edge.top - beyond,
      width: inner.width + 2 * beyond, height: inner.height + 2 * beyond,
    });
    cut.append(inside);
    plot.append(cut);
    const lines = [];
    values.forEach((seeds, setting) => seeds.forEach((run, seed) => {
      // Settings that no open claim needs have fewer seeds than others.
      if (lastOf(run) < 0 && !data.diverged[setting][seed]) return;
      const [colour, dash, sign] = data.looks[setting];
      let path = '', open = false;
      run.forEach((value, at) => {
        if (value !== null) path += `${open ? 'L' : 'M'}${x(data.x[at]).toFixed(1)} ${y(value).toFixed(1)}`;
        open = value !== null;
      });
      const line = element('path', { class: `run look-${colour} dash-${dash}`, d: path });
      const end = lastOf(run);
      const parts = [line];
      const mark = data.diverged[setting][seed] ? '×' : signs[sign] || (data.x.length === 1 ? '•' : '');
      if (end >= 0 && mark) {
        parts.push(element('text', {
          class: `end${mark === signs[sign] ? ' small' : ''} look-${colour}`,
          x: x(data.x[end]), y: y(run[end]) + (mark === signs[sign] ? 4 : 6), 'text-anchor': 'middle',
        }, mark));
      }
      inside.append(...parts);
      lines.push({ setting, seed, parts });
    }));
    const dot = element('circle', { class: 'dot', r: 5 });
    plot.append(dot);
    frame = { x, y, lines, dot, width };
    show();
  };

  const show = () => {
    for (const { setting, seed, parts } of frame.lines) {
      const here = pointed && pointed.setting === setting && pointed.seed === seed;
      for (const part of parts) {
        part.classList.toggle('pale', !isShown(setting, seed));
        part.classList.toggle('strong', Boolean(here));
      }
      if (here) parts[0].parentNode.append(...parts);
    }
    settingButtons.forEach((button, setting) =>
      button.setAttribute('aria-pressed', String(picked.setting === setting)));
    const value = pointed && metric().values[pointed.setting][pointed.seed][pointed.at];
    const has = value !== null && value !== undefined;
    frame.dot.toggleAttribute('hidden', !has);
    if (has) {
      frame.dot.setAttribute('cx', frame.x(data.x[pointed.at]));
      frame.dot.setAttribute('cy', frame.y(value));
      said.textContent = `${data.settings[pointed.setting]}, seed ${data.seeds[pointed.seed]}, `
        + `${data.axis} ${data.x[pointed.at]}: ${metric().label} ${words(value)}`;
    } else {
      const shown = frame.lines.filter(line => isShown(line.setting, line.seed)).length;
      said.textContent = `${shown} of ${frame.lines.length} runs. Point at a curve, or move with the `
        + 'arrow keys; a click or Enter picks its setting and seed.';
    }
  };

  const place = event => {
    const box = plot.getBoundingClientRect();
    return { px: (event.clientX - box.x) * frame.width / box.width, py: event.clientY - box.y };
  };
  const nearest = event => {
    const { px, py } = place(event);
    let best = null, distance = 40;
    for (const { setting, seed } of frame.lines) {
      if (!isShown(setting, seed)) continue;
      metric().values[setting][seed].forEach((value, at) => {
        if (value === null) return;
        const away = Math.hypot(frame.x(data.x[at]) - px, frame.y(value) - py);
        if (away < distance) [best, distance] = [{ setting, seed, at }, away];
      });
    }
    return best;
  };
  const pick = (setting, seed) => {
    Object.assign(picked, { setting, seed });
    seedChoice.value = seed === null ? '' : String(seed);
    draw();
  };

  plot.addEventListener('pointermove', event => { pointed = nearest(event); show(); });
  plot.addEventListener('pointerleave', () => { pointed = null; show(); });
  plot.addEventListener('click', event => {
    pointed = nearest(event);
    if (pointed) pick(pointed.setting, pointed.seed); else pick(null, null);
  });
  plot.addEventListener('keydown', event => {
    const shown = frame.lines.filter(line => isShown(line.setting, line.seed));
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (event.key in steps && shown.length) {
      const [run, at] = steps[event.key];
      const now = pointed ? shown.findIndex(line => line.setting === pointed.setting && line.seed === pointed.seed) : -1;
      const { setting, seed } = shown[now < 0 ? 0 : (now + run + shown.length) % shown.length];
      const x = pointed ? pointed.at + at : 0;
      const end = lastOf(metric().values[setting][seed]);
      pointed = { setting, seed, at: Math.max(0, Math.min(x, end)) };
      show();
    } else if (event.key === 'Enter' && pointed) {
      pick(pointed.setting, pointed.seed);
    } else if (event.key === 'Escape') {
      pointed = null;
      pick(null, null);
    } else {
      return;
    }
    event.preventDefault();
  });
  metricChoice.addEventListener('change', () => { picked.metric = Number(metricChoice.value); draw(); });
  seedChoice.addEventListener('change', () =>
    pick(picked.setting, seedChoice.value === '' ? null : Number(seedChoice.value)));
  settingButtons.forEach((button, setting) => button.addEventListener('click', () =>
    pick(picked.setting === setting ? null : setting, picked.seed)));
  curves.querySelector('button.all').addEventListener('click', () => { pointed = null; pick(null, null); });
  curves.hidden = false;
  draw();
  new ResizeObserver(draw).observe(plot);
}
