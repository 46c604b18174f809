// Readings in the form of OpenTelemetry's SDK. Its enums are written as numbers, so that the SDK is only needed by those
// who have a reader of it.
import type { HrTime, ValueType } from '@opentelemetry/api'
import type {
  AggregationTemporality,
  DataPointType,
  GaugeMetricData,
  HistogramMetricData,
  MetricData,
  SumMetricData,
} from '@opentelemetry/sdk-metrics'
import type { MetricReading } from './metric.js'
import type { Series } from './series.js'
import { perTurn, turn } from './turns.js'

const histogram: DataPointType.HISTOGRAM = 0
const gauge: DataPointType.GAUGE = 2
const sum: DataPointType.SUM = 3
const cumulative: AggregationTemporality.CUMULATIVE = 1
const double: ValueType.DOUBLE = 1

export async function toMetricData(reading: MetricReading, since: number, at: number): Promise<MetricData> {
  const { name, description, unit, kind, series, boundaries, hasSum } = reading
  const times = { startTime: hrTime(since), endTime: hrTime(at) }
  const common = {
    descriptor: { name, description, unit, valueType: double },
    aggregationTemporality: cumulative,
  } as const
  const numbers = () =>
    mapInTurns(series, ({ labels, values }) => ({ ...times, attributes: labels, value: values[0]! }))
  switch (kind) {
    case 'counter':
      return {
        ...common,
        dataPointType: sum,
        isMonotonic: true,
        dataPoints: await numbers(),
      } satisfies SumMetricData
    case 'gauge':
      return { ...common, dataPointType: gauge, dataPoints: await numbers() } satisfies GaugeMetricData
    case 'histogram': {
      const dataPoints = await mapInTurns(series, ({ labels, values }) => ({
        ...times,
        attributes: labels,
        value: histogramOf(values, boundaries, hasSum),
      }))
      return { ...common, dataPointType: histogram, dataPoints } satisfies HistogramMetricData
    }
  }
}

function histogramOf(values: readonly number[], boundaries: readonly number[], hasSum: boolean) {
  const counts = values.slice(0, boundaries.length + 1)
  return {
    buckets: { boundaries: boundaries as number[], counts },
    count: counts.reduce((total, count) => total + count, 0),
    ...(hasSum && { sum: values[boundaries.length + 1]! }),
  }
}

async function mapInTurns<T>(series: Iterable<Series>, make: (series: Series) => T): Promise<T[]> {
  const made: T[] = []
  for (const one of series) if (made.push(make(one)) % perTurn === 0) await turn()
  return made
}

function hrTime(ms: number): HrTime {
  return [Math.floor(ms / 1000), Math.round((ms % 1000) * 1e6)]
}
