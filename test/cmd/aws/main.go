// Command aws makes the calls of the story through aws-sdk-go-v2, under the
// AWS CLI's own command lines, for machines that have no AWS CLI. It knows
// those calls and refuses every other by name.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/jmespath/go-jmespath"
	"gopkg.in/yaml.v3"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		var api smithy.APIError
		var op *smithy.OperationError
		if errors.As(err, &api) && errors.As(err, &op) {
			fmt.Fprintf(os.Stderr, "\nAn error occurred (%s) when calling the %s operation: %s\n", api.ErrorCode(), op.OperationName, api.ErrorMessage())
			os.Exit(254)
		}
		fmt.Fprintf(os.Stderr, "aws (through aws-sdk-go-v2): %v\n", err)
		os.Exit(252)
	}
}

// flags are a command line's --name value pairs.
type flags map[string]string

func parse(args []string) (flags, error) {
	f := flags{}
	for i := 0; i < len(args); i += 2 {
		name, ok := strings.CutPrefix(args[i], "--")
		if !ok || i+1 == len(args) {
			return nil, fmt.Errorf("%q: pairs of --name value are wanted", args[i])
		}
		value := args[i+1]
		if path, ok := strings.CutPrefix(value, "file://"); ok {
			raw, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			value = string(raw)
		}
		f[name] = value
	}
	return f, nil
}

// take removes and gives a flag.
func (f flags) take(name string) string {
	v := f[name]
	delete(f, name)
	return v
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Fprintln(out, "aws-sdk-go-v2/"+aws.SDKVersion)
		return nil
	}
	region := ""
	if len(args) > 1 && args[0] == "--region" {
		region, args = args[1], args[2:]
	}
	if len(args) < 2 {
		return errors.New("a service and an operation are wanted")
	}
	f, err := parse(args[2:])
	if err != nil {
		return err
	}
	if r := f.take("region"); r != "" {
		region = r
	}
	query, output := f.take("query"), f.take("output")
	var options []func(*config.LoadOptions) error
	if region == "" {
		region = os.Getenv("AWS_DEFAULT_REGION")
	}
	options = append(options, config.WithRegion(region))
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return err
	}
	do := operations[args[0]+" "+args[1]]
	if do == nil {
		return fmt.Errorf("%s %s is not one of the story's calls; install the AWS CLI for it", args[0], args[1])
	}
	result, err := do(ctx, cfg, f)
	if err != nil {
		return err
	}
	for name := range f {
		return fmt.Errorf("--%s is not known for %s %s; install the AWS CLI for it", name, args[0], args[1])
	}
	return show(out, result, query, output)
}

// show prints a result as the CLI does.
func show(out io.Writer, result any, query, output string) error {
	if text, ok := result.(string); ok {
		_, err := fmt.Fprintln(out, text)
		return err
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return err
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if query != "" {
		if v, err = jmespath.Search(query, v); err != nil {
			return err
		}
	}
	if output == "text" {
		words := []string{}
		if list, ok := v.([]any); ok {
			for _, item := range list {
				words = append(words, fmt.Sprint(item))
			}
		} else {
			words = append(words, fmt.Sprint(v))
		}
		_, err := fmt.Fprintln(out, strings.Join(words, "\t"))
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "    ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// operations :: service and operation → what makes the call.
var operations = map[string]func(context.Context, aws.Config, flags) (any, error){
	"sts get-caller-identity": func(ctx context.Context, c aws.Config, _ flags) (any, error) {
		o, err := sts.NewFromConfig(c).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return nil, err
		}
		return map[string]any{"UserId": o.UserId, "Account": o.Account, "Arn": o.Arn}, nil
	},
	"sts assume-role-with-web-identity": func(ctx context.Context, c aws.Config, f flags) (any, error) {
		var seconds int32
		if _, err := fmt.Sscan(f.take("duration-seconds"), &seconds); err != nil {
			return nil, err
		}
		o, err := sts.NewFromConfig(c).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{RoleArn: aws.String(f.take("role-arn")), RoleSessionName: aws.String(f.take("role-session-name")),
			WebIdentityToken: aws.String(f.take("web-identity-token")), DurationSeconds: &seconds})
		if err != nil {
			return nil, err
		}
		return map[string]any{"Credentials": o.Credentials, "AssumedRoleUser": o.AssumedRoleUser, "Provider": o.Provider, "Audience": o.Audience, "SubjectFromWebIdentityToken": o.SubjectFromWebIdentityToken}, nil
	},
	"iam create-open-id-connect-provider": func(ctx context.Context, c aws.Config, f flags) (any, error) {
		o, err := iam.NewFromConfig(c).CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String(f.take("url")), ClientIDList: []string{f.take("client-id-list")}})
		if err != nil {
			return nil, err
		}
		return map[string]any{"OpenIDConnectProviderArn": o.OpenIDConnectProviderArn}, nil
	},
	"iam create-role": func(ctx context.Context, c aws.Config, f flags) (any, error) {
		o, err := iam.NewFromConfig(c).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(f.take("role-name")), AssumeRolePolicyDocument: aws.String(f.take("assume-role-policy-document"))})
		if err != nil {
			return nil, err
		}
		return map[string]any{"Role": o.Role}, nil
	},
	"iam put-role-policy": func(ctx context.Context, c aws.Config, f flags) (any, error) {
		_, err := iam.NewFromConfig(c).PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String(f.take("role-name")), PolicyName: aws.String(f.take("policy-name")), PolicyDocument: aws.String(f.take("policy-document"))})
		return "", err
	},
	"eks create-access-entry": func(ctx context.Context, c aws.Config, f flags) (any, error) {
		o, err := eks.NewFromConfig(c).CreateAccessEntry(ctx, &eks.CreateAccessEntryInput{ClusterName: aws.String(f.take("cluster-name")), PrincipalArn: aws.String(f.take("principal-arn"))})
		if err != nil {
			return nil, err
		}
		return map[string]any{"accessEntry": map[string]any{"username": o.AccessEntry.Username, "principalArn": o.AccessEntry.PrincipalArn, "accessEntryArn": o.AccessEntry.AccessEntryArn}}, nil
	},
	"eks associate-access-policy": func(ctx context.Context, c aws.Config, f flags) (any, error) {
		scope := &ekstypes.AccessScope{}
		for _, part := range strings.Split(f.take("access-scope"), ",") {
			name, value, _ := strings.Cut(part, "=")
			if name == "type" {
				scope.Type = ekstypes.AccessScopeType(value)
			} else if name == "namespaces" {
				scope.Namespaces = append(scope.Namespaces, value)
			}
		}
		o, err := eks.NewFromConfig(c).AssociateAccessPolicy(ctx, &eks.AssociateAccessPolicyInput{ClusterName: aws.String(f.take("cluster-name")), PrincipalArn: aws.String(f.take("principal-arn")), PolicyArn: aws.String(f.take("policy-arn")), AccessScope: scope})
		if err != nil {
			return nil, err
		}
		s := o.AssociatedAccessPolicy.AccessScope
		return map[string]any{"associatedAccessPolicy": map[string]any{"policyArn": o.AssociatedAccessPolicy.PolicyArn, "accessScope": map[string]any{"type": s.Type, "namespaces": s.Namespaces}}}, nil
	},
	"eks delete-access-entry": func(ctx context.Context, c aws.Config, f flags) (any, error) {
		_, err := eks.NewFromConfig(c).DeleteAccessEntry(ctx, &eks.DeleteAccessEntryInput{ClusterName: aws.String(f.take("cluster-name")), PrincipalArn: aws.String(f.take("principal-arn"))})
		return "", err
	},
	"eks get-token":         getToken,
	"eks update-kubeconfig": updateKubeconfig,
}

// getToken presigns GetCallerIdentity for a cluster, as aws eks get-token does.
func getToken(ctx context.Context, c aws.Config, f flags) (any, error) {
	presigned, err := sts.NewPresignClient(sts.NewFromConfig(c)).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, func(o *sts.Options) {
			o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("x-k8s-aws-id", f.take("cluster-name")), smithyhttp.SetHeaderValue("X-Amz-Expires", "60"))
		})
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1beta1", "spec": map[string]any{},
		"status": map[string]any{"expirationTimestamp": time.Now().Add(14 * time.Minute).UTC().Format(time.RFC3339), "token": "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte(presigned.URL))}}, nil
}

// updateKubeconfig adds a cluster to the kubeconfig, as aws eks
// update-kubeconfig does.
func updateKubeconfig(ctx context.Context, c aws.Config, f flags) (any, error) {
	name := f.take("name")
	o, err := eks.NewFromConfig(c).DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
	if err != nil {
		return nil, err
	}
	arn := aws.ToString(o.Cluster.Arn)
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		path = filepath.Join(os.Getenv("HOME"), ".kube", "config")
	}
	kc := map[string]any{"apiVersion": "v1", "kind": "Config", "current-context": arn, "preferences": map[string]any{},
		"clusters": []any{map[string]any{"name": arn, "cluster": map[string]any{"server": o.Cluster.Endpoint, "certificate-authority-data": o.Cluster.CertificateAuthority.Data}}},
		"contexts": []any{map[string]any{"name": arn, "context": map[string]any{"cluster": arn, "user": arn}}},
		"users": []any{map[string]any{"name": arn, "user": map[string]any{"exec": map[string]any{"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws", "interactiveMode": "Never",
			"args": []any{"--region", c.Region, "eks", "get-token", "--cluster-name", name, "--output", "json"}}}}}}
	raw, err := yaml.Marshal(kc)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return "Added new context " + arn + " to " + path, os.WriteFile(path, raw, 0o600)
}
