package render_test

import (
	"testing"

	"ringpost/relay/render"
)

func BenchmarkRenderRecordingEmail(b *testing.B) { benchmark(b, render.Email) }
func BenchmarkRenderRecordingSMS(b *testing.B)   { benchmark(b, render.SMS) }

func benchmark(b *testing.B, kind string) {
	templates, d := builtin(b), render.Sample()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := templates.Render(kind, "recording", d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTextOfARecipient(b *testing.B) {
	text, err := render.ParseText("{{.Query.agent}}")
	if err != nil {
		b.Fatal(err)
	}
	d := render.Sample()
	d.Query["agent"] = "alice"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := text.Execute(d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTimeInAZone(b *testing.B) {
	text, err := render.ParseText(`{{time .ReceivedAt "15:04" "Europe/Berlin"}}`)
	if err != nil {
		b.Fatal(err)
	}
	d := render.Sample()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := text.Execute(d); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSegments(b *testing.B) {
	m, err := builtin(b).Render(render.SMS, "recording", render.Sample())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		render.Segments(m.Text)
	}
}
