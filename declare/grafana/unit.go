package grafana

import "strings"

// units are ours by Grafana's names.
var units = map[string]string{
	"": "", "none": "", "short": "", "sishort": "", "locale": "", "string": "", "bool": "", "bool_on_off": "", "bool_yes_no": "",
	"percent": "percent", "percentunit": "share", "s": "seconds", "ms": "milliseconds", "dtdurations": "seconds", "clocks": "seconds", "dthms": "seconds",
	"bytes": "bytes", "decbytes": "bytes", "bits": "bits", "decbits": "bits", "Bps": "bytes/s", "binBps": "bytes/s", "bps": "bits/s", "binbps": "bits/s",
	"reqps": "req/s", "rps": "reads/s", "wps": "writes/s", "iops": "io/s", "ops": "ops/s", "cps": "counts/s", "pps": "packets/s", "opm": "ops/min", "rpm": "reads/min", "wpm": "writes/min", "reqpm": "req/min", "cpm": "counts/min", "mps": "messages/s", "eps": "events/s", "recps": "records/s", "rowsps": "rows/s",
	"celsius": "°C", "fahrenheit": "°F", "kelvin": "K", "hertz": "Hz", "rotrpm": "rpm", "volt": "V", "amp": "A", "watt": "W", "joule": "J", "m": "min", "h": "h", "d": "d", "µs": "µs", "ns": "ns",
	"currencyUSD": "$", "currencyEUR": "€", "currencyGBP": "£", "degree": "°", "lengthm": "m", "humidity": "% rel.", "dB": "dB", "dBm": "dBm", "pressurehpa": "hPa", "hex": "",
}

// unit is ours, and whether there is one; words that are not known stand behind the number.
func unit(name string) (string, bool) {
	if u, ok := units[name]; ok {
		return u, true
	}
	for _, prefix := range []string{"suffix:", "si:", "currency:"} {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			return cut(name[len(prefix):]), true
		}
	}
	if strings.HasPrefix(name, "dateTime") || strings.HasPrefix(name, "time:") {
		return "", false
	}
	return cut(name), true
}

func cut(s string) string {
	for i := range s {
		if i > 16 {
			return s[:i]
		}
	}
	return s
}
