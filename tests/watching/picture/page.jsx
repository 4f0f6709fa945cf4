// Draws a dashboard with Grafana's published parts: @grafana/data reads fields, units, thresholds, overrides and transformations, @grafana/ui draws. What is
// written here is what lies between them in Grafana: variables, the grid, and the way from Prometheus' answers to frames.
import 'uplot/dist/uPlot.min.css';
import React from 'react';
import { createRoot } from 'react-dom/client';
import {
  applyFieldOverrides, createTheme, dateTime, FieldConfigOptionsRegistry, FieldType, getFieldDisplayValues, standardTransformers,
  standardTransformersRegistry, ThemeContext, toDataFrame, transformDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, Table, TimeSeries } from '@grafana/ui';

const { dashboard, prometheus, from, to, step, rateInterval, width } = window.watching;
const theme = createTheme({ colors: { mode: 'dark' } });
const CELL = 8 + 30;

// Some are listed under two names.
const transformers = [...new Map(Object.values(standardTransformers).map((it) => [it.id, it])).values()];
standardTransformersRegistry.setInit(() => transformers.map((it) => ({ id: it.id, name: it.name, transformation: it, editor: () => null })));

const registry = new FieldConfigOptionsRegistry(() => {
  const item = (id, path, isCustom) => ({ id, path, name: id, isCustom, process: (value) => value, shouldApply: () => true, getItemsCount: () => 0, editor: () => null, override: () => null });
  const standard = ['unit', 'decimals', 'min', 'max', 'thresholds', 'mappings', 'color', 'noValue', 'displayName'].map((id) => item(id, id, false));
  const custom = ['width', 'align', 'cellOptions', 'drawStyle', 'lineWidth', 'fillOpacity', 'showPoints', 'spanNulls', 'stacking', 'thresholdsStyle', 'axisPlacement', 'filterable'];
  return [...standard, ...custom.map((id) => item('custom.' + id, id, true))];
});

const values = { job: 'scopegate', instance: '.*', route: '.*', reason: '.*', __rate_interval: rateInterval, __range: Math.round(to - from) + 's' };
const filled = (text) => text.replace(/\$\{?(\w+)\}?/g, (all, name) => values[name] ?? all);

async function ask(target) {
  const query = encodeURIComponent(filled(target.expr));
  const path = target.instant ? `query?query=${query}&time=${to}` : `query_range?query=${query}&start=${from}&end=${to}&step=${step}`;
  const answer = await (await fetch(`${prometheus}/api/v1/${path}`)).json();
  if (answer.status !== 'success') throw new Error(answer.error);
  return answer.data.result;
}

const named = (legend, metric) => (legend ? legend.replace(/{{\s*(\w+)\s*}}/g, (_, label) => metric[label] ?? '').trim() : JSON.stringify(metric));

function seriesFrames(target, result) {
  return result.map(({ metric, values: points, value }) => toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, config: { interval: step * 1000 }, values: (points ?? [value]).map(([time]) => time * 1000) },
      { name: 'Value', type: FieldType.number, labels: metric, config: { displayNameFromDS: named(target.legendFormat, metric) }, values: (points ?? [value]).map(([, text]) => (text === 'NaN' ? null : Number(text))) },
    ],
  }));
}

function tableFrame(target, result, several) {
  const labels = [...new Set(result.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: result.map(({ value }) => value[0] * 1000) },
      ...labels.map((label) => ({ name: label, type: FieldType.string, config: {}, values: result.map(({ metric }) => metric[label] ?? '') })),
      { name: several ? `Value #${target.refId}` : 'Value', type: FieldType.number, config: {}, values: result.map(({ value }) => Number(value[1])) },
    ],
  });
}

async function framesOf(panel) {
  const answers = await Promise.all(panel.targets.map(ask));
  const frames = panel.targets.flatMap((target, index) =>
    target.format === 'table' ? [tableFrame(target, answers[index], panel.targets.length > 1)] : seriesFrames(target, answers[index]));
  if (!panel.transformations) return frames;
  return new Promise((resolve) => transformDataFrame(panel.transformations, frames).subscribe(resolve));
}

const configured = (panel, data) => applyFieldOverrides({ data, fieldConfig: panel.fieldConfig, fieldConfigRegistry: registry, replaceVariables: (text) => text, theme, timeZone: 'utc' });

const Nothing = ({ panel }) => (
  <div style={{ height: '100%', display: 'flex', alignItems: 'center', justifyContent: 'center', color: theme.colors.text.secondary }}>
    {panel.fieldConfig.defaults.noValue ?? 'No data'}
  </div>
);

function Several({ panel, data, width, height, draw, down }) {
  const shown = getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, data, replaceVariables: (text) => text, theme, sparkline: true, timeZone: 'utc' });
  const count = Math.max(1, shown.length);
  const [w, h] = down ? [width, Math.floor(height / count) - 4] : [Math.floor(width / count), height];
  return (
    <div style={{ display: 'flex', flexDirection: down ? 'column' : 'row', gap: down ? 4 : 0, width, height }}>
      {shown.map((one, index) => <div key={index} style={{ width: w, height: h }}>{draw(one, w, h, count)}</div>)}
    </div>
  );
}

const Drawn = {
  stat: (props) => (
    <Several {...props} data={configured(props.panel, props.frames)} draw={(one, width, height, count) => (
      <BigValue width={width} height={height} theme={theme} value={count > 1 ? one.display : { ...one.display, title: undefined }} sparkline={one.sparkline}
        colorMode={props.panel.options.colorMode} graphMode={props.panel.options.graphMode} justifyMode={props.panel.options.justifyMode} textMode={props.panel.options.textMode} count={count} />
    )} />
  ),
  bargauge: (props) => (
    <Several {...props} down data={configured(props.panel, props.frames)} draw={(one, width, height) => (
      <BarGauge width={width} height={height} theme={theme} value={one.display} field={one.field} text={{}} display={one.view?.getFieldDisplayProcessor(one.colIndex)}
        orientation="horizontal" displayMode={props.panel.options.displayMode} showUnfilled={props.panel.options.showUnfilled} valueDisplayMode="color" itemSpacing={4} />
    )} />
  ),
  timeseries: ({ panel, frames, width, height }) => {
    if (!frames.length) return <Nothing panel={panel} />;
    const range = { from: dateTime(from * 1000), to: dateTime(to * 1000), raw: { from: '', to: '' } };
    const data = configured(panel, frames);
    data.forEach((frame, index) => frame.fields.forEach((field) => { field.state = { ...field.state, seriesIndex: index }; }));
    return <TimeSeries frames={data} structureRev={1} timeRange={range} timeZone="utc" width={width} height={height} legend={panel.options.legend} options={panel.options}>{() => null}</TimeSeries>;
  },
  table: ({ panel, frames, width, height }) => {
    const data = configured(panel, frames);
    if (!data.length || !data[0].length) return <Nothing panel={panel} />;
    const sortBy = panel.options.sortBy ?? [];
    return <Table data={data[0]} width={width} height={height} cellHeight={panel.options.cellHeight} initialSortBy={sortBy} showTypeIcons={false} timeRange={{ from: dateTime(from * 1000), to: dateTime(to * 1000) }} />;
  },
};

function Panel({ panel, frames }) {
  const { x, y, w, h } = panel.gridPos;
  const column = (width - 8) / 24;
  const place = { position: 'absolute', left: 8 + x * column, top: 56 + y * CELL, width: w * column - 8, height: h * CELL - 8 };
  if (panel.type === 'row') return <h4 style={{ ...place, margin: 0, padding: '6px 0', color: theme.colors.text.primary }}>⌄ {panel.title}</h4>;
  const Kind = Drawn[panel.type];
  return (
    <div style={place}>
      <PanelChrome title={panel.title} description={panel.description} width={place.width} height={place.height} padding={panel.type === 'table' ? 'none' : undefined}>
        {(innerWidth, innerHeight) => <Kind panel={panel} frames={frames} width={innerWidth} height={innerHeight} />}
      </PanelChrome>
    </div>
  );
}

const Head = () => (
  <div style={{ padding: 12, display: 'flex', gap: 12, alignItems: 'center', color: theme.colors.text.primary }}>
    <strong style={{ fontSize: 18, marginRight: 24 }}>{dashboard.title}</strong>
    {dashboard.templating.list.map(({ name, label, current }) => (
      <span key={name} style={{ border: `1px solid ${theme.colors.border.medium}`, padding: '3px 8px' }}>
        <span style={{ color: theme.colors.text.secondary, marginRight: 8 }}>{label}</span>{current.text ?? 'Prometheus'}
      </span>
    ))}
  </div>
);

const asked = dashboard.panels.map(async (panel) => (panel.type === 'row' ? [] : framesOf(panel)));
Promise.all(asked).then((frames) => {
  createRoot(document.getElementById('page')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Head />
      {dashboard.panels.map((panel, index) => <Panel key={panel.id} panel={panel} frames={frames[index]} />)}
    </ThemeContext.Provider>,
  );
}).catch((error) => console.error(error.stack));
