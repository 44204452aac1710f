package web

import (
	"bytes"
	"html/template"
	"net/url"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// toHTML turns Markdown into HTML. Raw HTML is shown as the text that it is; links
// lead to http, https or a page of this site; pictures become links, because a picture from
// elsewhere would tell its host who reads the page.
var toHTML = goldmark.New(
	goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.Linkify),
	goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(tame{}, 100))),
	goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(asText{}, 100))),
)

// markdown renders text that people wrote.
func markdown(src []byte) template.HTML {
	var b bytes.Buffer
	if err := toHTML.Convert(src, &b); err != nil {
		return template.HTML("<pre>" + template.HTMLEscapeString(string(src)) + "</pre>") //nolint:gosec // escaped
	}
	return template.HTML(b.String()) //nolint:gosec // goldmark escapes; raw HTML is off; links are tamed
}

// tame takes the teeth out of a document.
type tame struct{}

// Transform implements parser.ASTTransformer.
func (tame) Transform(doc *ast.Document, reader text.Reader, _ parser.Context) {
	src := reader.Source()
	var dead, images []ast.Node
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading: // the page's own title is the one of level 1
			n.Level = min(n.Level+1, 6)
		case *ast.Link:
			if n.Destination = final(n.Destination); !safeLink(string(n.Destination)) {
				dead = append(dead, n)
			}
		case *ast.AutoLink:
			if !safeLink(string(n.URL(src))) && n.AutoLinkType != ast.AutoLinkEmail {
				dead = append(dead, n)
			}
		case *ast.Image:
			images = append(images, n)
		}
		return ast.WalkContinue, nil
	})
	for _, n := range images {
		img := n.(*ast.Image)
		link := ast.NewLink()
		link.Destination, link.Title = final(img.Destination), img.Title
		moveChildren(link, img)
		if link.FirstChild() == nil {
			link.AppendChild(link, ast.NewString([]byte("picture")))
		}
		img.Parent().ReplaceChild(img.Parent(), img, link)
		if !safeLink(string(link.Destination)) {
			dead = append(dead, link)
		}
	}
	for _, n := range dead {
		plain := ast.NewEmphasis(1)
		if auto, ok := n.(*ast.AutoLink); ok {
			plain.AppendChild(plain, ast.NewString(auto.Label(src)))
		}
		moveChildren(plain, n)
		n.Parent().ReplaceChild(n.Parent(), n, plain)
	}
}

// final is a destination as the page will have it: references such as &#58; are
// resolved by the renderer, after anybody looked.
func final(dest []byte) []byte { return util.URLEscape(dest, true) }

func moveChildren(to, from ast.Node) {
	for c := from.FirstChild(); c != nil; {
		next := c.NextSibling()
		to.AppendChild(to, c)
		c = next
	}
}

// safeLink says whether a link may stand on a page: http, https, or a place on
// this site.
func safeLink(dest string) bool {
	for _, c := range dest {
		if c < 0x20 || c == '\\' {
			return false
		}
	}
	u, err := url.Parse(strings.TrimSpace(dest))
	if err != nil {
		return false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
		return u.Host != ""
	case "":
		return u.Host == "" // not "//elsewhere"
	}
	return false
}

// asText renders raw HTML as the text that it is: leaving it away would lose what
// somebody wrote without a word.
type asText struct{}

// RegisterFuncs implements renderer.NodeRenderer.
func (asText) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindRawHTML, func(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if raw := n.(*ast.RawHTML); entering {
			for i := range raw.Segments.Len() {
				seg := raw.Segments.At(i)
				_, _ = w.Write(util.EscapeHTML(seg.Value(src)))
			}
		}
		return ast.WalkSkipChildren, nil
	})
	r.Register(ast.KindHTMLBlock, func(w util.BufWriter, src []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		block := n.(*ast.HTMLBlock)
		_, _ = w.WriteString("<p>")
		for i := range block.Lines().Len() {
			seg := block.Lines().At(i)
			_, _ = w.Write(util.EscapeHTML(seg.Value(src)))
		}
		if block.HasClosure() {
			_, _ = w.Write(util.EscapeHTML(block.ClosureLine.Value(src)))
		}
		_, _ = w.WriteString("</p>\n")
		return ast.WalkSkipChildren, nil
	})
}
