package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

func must(err error) {
	if err != nil {
		fmt.Println("ERR", err)
	}
}

func main() {
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("/usr/bin/chromium"))
	a, c := chromedp.NewExecAllocator(context.Background(), opts...)
	defer c()
	ctx, c2 := chromedp.NewContext(a)
	defer c2()
	_, err := chromedp.Run(ctx, chromedp.EmulateViewport(390, 844))
	must(err)
	_, err = chromedp.Call(ctx, network.Enable, network.EnableParams{})
	must(err)
	h := network.SetExtraHTTPHeadersParams{}
	must(json.Unmarshal([]byte(`{"headers":{"Authorization":"Bearer `+os.Args[2]+`"}}`), &h))
	_, err = chromedp.Call(ctx, network.SetExtraHTTPHeaders, h)
	must(err)
	for _, p := range os.Args[4:] {
		for _, scheme := range []string{"light", "dark"} {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			must(err)
			_, err = chromedp.Run(ctx, chromedp.Navigate(os.Args[1]+p))
			must(err)
			time.Sleep(700 * time.Millisecond)
			over, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.documentElement.scrollWidth+" "+document.documentElement.clientWidth`))
			b, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			must(err)
			name := os.Args[3] + "/" + strings.NewReplacer("/", "_", "?", "_", "&", "_").Replace(p) + "-" + scheme + ".png"
			fmt.Println(name, over)
			_ = os.WriteFile(name, b, 0o644)
		}
	}
}
