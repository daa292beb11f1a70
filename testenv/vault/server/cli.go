package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"

	awsauth "github.com/hashicorp/vault/builtin/credential/aws"

	"github.com/hashicorp/vault/api"
)

// command makes the API call of one of Vault's commands, through Vault's own client.
func command(args []string) error {
	c, err := api.NewClient(nil) // VAULT_ADDR, VAULT_TOKEN, VAULT_CACERT
	if err != nil {
		return err
	}
	options := map[string]string{}
	var words []string
	for _, arg := range args {
		if name, value, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "="); strings.HasPrefix(arg, "-") {
			options[name] = value
		} else {
			words = append(words, arg)
		}
	}
	is := func(n int, names ...string) bool {
		return len(words) >= n && strings.Join(words[:len(names)], " ") == strings.Join(names, " ")
	}
	switch {
	case is(3, "auth", "enable"):
		return c.Sys().EnableAuthWithOptions(or(options["path"], words[2]), &api.EnableAuthOptions{Type: words[2]})
	case is(3, "secrets", "enable"):
		return c.Sys().Mount(or(options["path"], words[2]), &api.MountInput{Type: words[2], Options: map[string]string{"version": or(options["version"], "1")}})
	case is(4, "policy", "write"):
		text, err := os.ReadFile(words[3])
		if err != nil {
			return err
		}
		return c.Sys().PutPolicy(words[2], string(text))
	case is(3, "kv", "put"):
		data, err := fields(words[3:])
		if err != nil {
			return err
		}
		mount, path, _ := strings.Cut(words[2], "/")
		_, err = c.Logical().Write(mount+"/data/"+path, map[string]any{"data": data})
		return err
	case is(2, "write"):
		data, err := fields(words[2:])
		if err != nil {
			return err
		}
		return show(c.Logical().Write(words[1], data))
	case is(2, "read"):
		return show(c.Logical().Read(words[1]))
	case is(2, "delete"):
		return show(c.Logical().Delete(words[1]))
	case is(1, "login") && options["method"] == "aws":
		settings := map[string]string{}
		for _, word := range words[1:] {
			name, value, _ := strings.Cut(word, "=")
			settings[name] = value
		}
		s, err := (&awsauth.CLIHandler{}).Auth(c, settings)
		if err != nil {
			return err
		}
		fmt.Println(s.Auth.ClientToken)
		return nil
	}
	return errors.New("this Vault has not the command: vault " + strings.Join(args, " "))
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// fields reads NAME=VALUE, NAME=@FILE, and @FILE of a JSON object.
func fields(words []string) (map[string]any, error) {
	out := map[string]any{}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		file, all := strings.CutPrefix(name, "@")
		from, isFile := strings.CutPrefix(value, "@")
		if !all && !isFile {
			out[name] = value
			continue
		}
		if !all {
			file = from
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if !all {
			out[name] = string(text)
		} else if err := json.Unmarshal(text, &out); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return out, nil
}

// show prints the data of an answer, a field to a line.
func show(s *api.Secret, err error) error {
	if err != nil || s == nil {
		return err
	}
	var names []string
	for name := range s.Data {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("%s\t%v\n", name, s.Data[name])
	}
	return nil
}
